import { z } from "zod";
import { deriveSeed, seededRandom } from "../../core/random.ts";
import { defineGenerator, type Problem } from "./generator.ts";

/** One problem in this many is for testing, whatever the seed. */
const TEST_SHARE = 20;

/** a·b ± c of two-digit factors, worked out by partial products, then digit by digit, in a think block. */
export const arithmetic = defineGenerator({
  options: z.object({}),
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
    ...digitByDigit(product, c),
  ];
  return { prompt, completion: `<think>${steps.join("\n")}</think><answer>${answer}</answer>`, answer };
}

/** start + c, one digit of c after the other: 1150-214 as 1150-200=950, 950-10=940, 940-4=936 */
function digitByDigit(start: number, c: number): string[] {
  const size = Math.abs(c);
  const parts = [size - (size % 100), (size % 100) - (size % 10), size % 10].filter((part) => part > 0);
  let value = start;
  return parts.map((part) => {
    const next = value + Math.sign(c) * part;
    const step = `${value}${c < 0 ? "-" : "+"}${part}=${next}`;
    value = next;
    return step;
  });
}

/** a times one digit of b, by the digits of a: 47*60=2400+420=2820 */
const partialProduct = (a: number, b: number) => `${a}*${b}=${(a - (a % 10)) * b}+${(a % 10) * b}=${a * b}`;
