/** @file Numbers that are to be combined to a target, as in the television game and TinyZero's task. */

import { z } from "zod";
import { deriveSeed, pick, type Random, seededRandom } from "../../core/random.ts";
import { defineGenerator, type Problem } from "./generator.ts";

/** One problem in this many is for testing, whatever the seed. */
const TEST_SHARE = 20;

const size = z.int().min(2).max(6);

/** The answer is the target, and behind it the numbers: "65: 19 36 55 7". */
export const countdown = defineGenerator({
  options: z
    .object({
      numbers: z.tuple([size, size]).default([3, 4]).describe("The least and the most numbers in a problem."),
      largest: z.int().min(2).default(99).describe("The largest number in a problem, and the largest target."),
    })
    .describe("Numbers that are to be combined to a target, each used once, with + - * / and brackets."),
  create: ({ numbers: [least, most], largest }) =>
    function* (split, seed) {
      const random = seededRandom(deriveSeed(seed, split));
      while (true) {
        const count = least + random.below(most - least + 1);
        const numbers = Array.from({ length: count }, () => 1 + random.below(largest));
        const { text, value } = combined(random, numbers);
        const target = String(value);
        const prompt = `Using the numbers ${numbers.join(", ")}, write an expression that equals ${target}. Use each number once, with + - * / and brackets.`;
        if (value < 1 || value > largest) continue;
        if ((deriveSeed(prompt) % TEST_SHARE === 0) === (split === "test"))
          yield problem(prompt, target, numbers, text);
      }
    },
});

const problem = (prompt: string, target: string, numbers: readonly number[], text: string): Problem => ({
  prompt,
  completion: `<think>${text}=${target}</think><answer>${text}</answer>`,
  answer: `${target}: ${numbers.join(" ")}`,
});

/** The numbers combined in a random order by random operations, of which all divisions come out even. */
function combined(random: Random, numbers: readonly number[]): { text: string; value: number } {
  const parts = random.shuffled(numbers).map((value) => ({ text: String(value), value }));
  while (parts.length > 1) {
    const [a, b] = [parts.shift()!, parts.shift()!];
    const signs = ["+", "-", "*", ...(b.value !== 0 && a.value % b.value === 0 ? ["/"] : [])];
    const sign = pick(random, signs);
    const value = { "+": a.value + b.value, "-": a.value - b.value, "*": a.value * b.value, "/": a.value / b.value }[
      sign
    ]!;
    const text = `${a.text}${sign}${b.text}`;
    parts.splice(random.below(parts.length + 1), 0, { text: parts.length > 0 ? `(${text})` : text, value });
  }
  return parts[0]!;
}
