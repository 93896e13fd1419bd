import { z } from "zod";
import { deriveSeed, seededRandom } from "../../core/random.ts";
import { defineGenerator, type Problem } from "./generator.ts";

/** One problem in this many is for testing, whatever the seed. */
const TEST_SHARE = 20;

export const arithmetic = defineGenerator({
  options: z
    .object({})
    .describe("a·b ± c of two-digit factors, worked out by partial products, then digit by digit, in a think block."),
  create: () =>
    function* (split, seed) {
      const random = seededRandom(deriveSeed(seed, split));
      while (true) {
        const [a, b] = [10 + random.below(90), 10 + random.below(90)];
        const subtract = random.uniform() < 0.5;
        const c = 1 + random.below(Math.min(999, subtract ? a * b : 999));
        const prompt = `${a}*${b}${subtract ? "-" : "+"}${c}=?`;
        const forTest = deriveSeed(prompt) % TEST_SHARE === 0;
        if (forTest === (split === "test")) yield solve(a, b, subtract ? -c : c, prompt);
      }
    },
});

function solve(a: number, b: number, c: number, prompt: string): Problem {
  const [tens, ones] = [b - (b % 10), b % 10];
  const product = a * b;
  const answer = String(product + c);
  const steps = [
    partialProduct(a, ones),
    partialProduct(a, tens),
    `${a * ones}+${a * tens}=${product}`,
    digitByDigit(product, c),
  ];
  return { prompt, completion: `<think>${steps.join("\n")}</think><answer>${answer}</answer>`, answer };
}

/** start + c, the leading digit of what is left of c at a time: 1150-214=950-14=940-4=936 */
function digitByDigit(start: number, c: number): string {
  const sign = c < 0 ? "-" : "+";
  const sides: (number | string)[] = [];
  let [value, rest] = [start, Math.abs(c)];
  while (rest > 0) {
    sides.push(`${value}${sign}${rest}`);
    const part = rest - (rest % 10 ** (String(rest).length - 1));
    value += Math.sign(c) * part;
    rest -= part;
  }
  return [...sides, value].join("=");
}

/** a times one digit of b, by the digits of a: 47*60=2400+420=2820 */
const partialProduct = (a: number, b: number) => `${a}*${b}=${(a - (a % 10)) * b}+${(a % 10) * b}=${a * b}`;
