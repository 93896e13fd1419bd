import { after, test } from "node:test";
import { constant } from "../../src/graph/value.ts";
import { chunkedLoss, type TokenRule } from "../../src/nn/chunked-loss.ts";
import { crossEntropy } from "../../src/nn/cross-entropy.ts";
import { fullDivergence, mixed, TAILS, topDivergence } from "../../src/nn/divergence.ts";
import { assertGradient, testDevice } from "../support/finite-differences.ts";

const number = (data: readonly (readonly number[])[]) =>
  constant(data.flat(), "float64", [data.length, data[0]!.length]);
const whole = (data: readonly (readonly number[])[]) => constant(data.flat(), "int32", [data.length, data[0]!.length]);

/** Two chunks of two positions each, the last of them padding; what the rule reads of each. */
const chunks = (operands: (i: number) => ReturnType<typeof constant>[]) => [
  { rows: constant([1, 4], "int32"), weights: number([[0.5], [2]]), operands: operands(0) },
  { rows: constant([2, 0], "int32"), weights: number([[1], [0]]), operands: operands(1) },
];
const slots = constant([4, 0, 2, 4, 1], "int32");

/** The three most likely of seven tokens, and the rest: one that is sharp, one that is flat, and two more. */
const TOP = [
  {
    ids: [
      [5, 0, 3],
      [1, 2, 6],
    ],
    p: [
      [0.97, 0.02, 0.005],
      [0.2, 0.15, 0.15],
    ],
  },
  {
    ids: [
      [0, 4, 2],
      [0, 1, 2],
    ],
    p: [
      [0.6, 0.2, 0.1],
      [0.3, 0.2, 0.1],
    ],
  },
];
const top = (i: number) => {
  const { ids, p } = TOP[i]!;
  const rest = p.map((row) => [Math.log(1 - row.reduce((a, b) => a + b))]);
  return [whole(ids), number(p.map((row) => row.map(Math.log))), number(rest)];
};
const labels = (i: number) => whole([[3], [i]]);
const teacher = (i: number) => [
  number([
    [0.3, -1],
    [2, i],
  ]),
  number([
    [1, 0],
    [0, 1],
    [1, 1],
    [-1, 2],
    [0.5, 0],
    [0, -2],
    [2, 1],
  ]),
];

const cases: Record<string, { rule: TokenRule; operands: (i: number) => ReturnType<typeof constant>[] }> = {};
for (const beta of [0, 0.3, 1]) {
  cases[`beta ${beta} over the whole vocabulary`] = { rule: fullDivergence(beta), operands: teacher };
  cases[`beta ${beta} over three tokens and a bucket`] = { rule: topDivergence(beta, "bucket"), operands: top };
}
for (const tail of TAILS)
  cases[`a third cross-entropy, the rest forward KL, tail: ${tail}`] = {
    rule: mixed(
      1 / 3,
      { name: "cross_entropy", rule: crossEntropy, operands: 1 },
      { name: "forward_kl", rule: topDivergence(0, tail) },
    ),
    operands: (i) => [labels(i), ...top(i)],
  };

for (const [name, { rule, operands }] of Object.entries(cases))
  test(`the gradient equals finite differences: ${name}`, () =>
    assertGradient(
      (hidden, weight) => chunkedLoss(hidden!, weight!, slots, chunks(operands), rule).loss,
      { shape: [5, 3] },
      { shape: [7, 3] },
    ));

after(async () => (await testDevice()).close());
