import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { gradients } from "../../src/compiler/gradients.ts";
import { constant, input, type Value } from "../../src/graph/value.ts";
import { chunkedLoss, type TokenRule } from "../../src/nn/chunked-loss.ts";
import { crossEntropy } from "../../src/nn/cross-entropy.ts";
import { fullDivergence, mixed, type Tail, topDivergence } from "../../src/nn/divergence.ts";
import { type PolicyColumn, policyColumns, policyGradient } from "../../src/nn/policy.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { average, type LossType, tokenShares } from "../../src/trainers/policy/advantages.ts";
import { testDevice } from "../support/finite-differences.ts";

type Rows = number[][];
type Result = { loss: number; gradient: Rows };
type Top = { k: number; ids: Rows; log_probabilities: Rows; tail_probabilities: number[] };

/** What TRL and PyTorch made of the same logits: distillation.py says how. */
const reference = JSON.parse(readFileSync("test/reference/distillation.json", "utf8")) as {
  inputs: { student_logits: Rows; teacher_logits: Rows; labels: number[]; mask: number[]; weights: number[] };
  gkd: { cases: ({ beta: number } & Result)[] };
  top_k_with_tail: {
    teacher: Top[];
    cases: ({ k: number; form: string; beta?: number } & Result)[];
    below_trl_clamp: {
      student_logits: Rows;
      ids: Rows;
      log_probabilities: Rows;
      teacher_tail_probabilities: number[];
    } & Result;
  };
  kd: { cases: ({ k: number; alpha: number; weighted_by: "mask" | "weights" } & Result)[] };
};
const { student_logits, teacher_logits, labels, mask, weights } = reference.inputs;

const floats = (rows: Rows) => constant(rows.flat(), "float32", [rows.length, rows[0]!.length]);
const integers = (rows: Rows) => constant(rows.flat(), "int32", [rows.length, rows[0]!.length]);
const identity = (size: number): Rows =>
  Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => Number(i === j)));

/** The loss and d loss / d logits of logits that are themselves the hidden states, in float32 and in two chunks. */
async function computed(
  logits: Rows,
  given: readonly number[],
  rule: TokenRule,
  operands: readonly Value[],
): Promise<Result> {
  const device = await testDevice();
  const [rows, vocab] = [logits.length, logits[0]!.length];
  const total = given.reduce((a, b) => a + b);
  const half = rows >> 1;
  const part = (x: Value, from: number, to: number): Value => {
    const width = x.shape[1] as number;
    const data = Array.from(x.data as ArrayLike<number>).slice(from * width, to * width);
    return constant(data, x.dtype, [to - from, width]);
  };
  const chunk = (from: number, to: number) => ({
    rows: constant(
      Array.from({ length: to - from }, (_, i) => from + i),
      "int32",
    ),
    weights: floats(given.slice(from, to).map((weight) => [weight / total])),
    operands: operands.map((x) => (x.shape[0] === rows ? part(x, from, to) : x)),
  });
  const hidden = input("hidden", "float32", [rows, vocab]);
  const slots = constant(
    logits.map((_, i) => i),
    "int32",
  );
  const { loss } = chunkedLoss(hidden, floats(identity(vocab)), slots, [chunk(0, half), chunk(half, rows)], rule);
  const [gradient] = gradients(loss, [hidden]);
  const program = await device.compile({ loss, gradient: gradient! });
  const found = await program.run({ hidden: tensor("float32", [rows, vocab], logits.flat()) });
  await program.release();
  const flat = toNumbers(found.gradient!);
  return {
    loss: toNumbers(found.loss!)[0]!,
    gradient: logits.map((_, i) => flat.slice(i * vocab, (i + 1) * vocab)),
  };
}

function agree(found: Result, expected: Result, tolerance = 1e-5): void {
  const differ = (a: number, b: number) => Math.abs(a - b) > tolerance * Math.max(1, Math.abs(b));
  assert.ok(!differ(found.loss, expected.loss), `the loss is ${found.loss}, and should be ${expected.loss}`);
  for (const [i, row] of expected.gradient.entries())
    for (const [j, slope] of row.entries())
      assert.ok(
        !differ(found.gradient[i]![j]!, slope),
        `d loss / d logits[${i}][${j}] is ${found.gradient[i]![j]}, not ${slope}`,
      );
}

const top = (k: number): Value[] => {
  const { ids, log_probabilities, tail_probabilities } = reference.top_k_with_tail.teacher.find((one) => one.k === k)!;
  return [integers(ids), floats(log_probabilities), floats(tail_probabilities.map((p) => [Math.log(p)]))];
};

for (const { beta, ...expected } of reference.gkd.cases)
  test(`GKD's divergence at beta ${beta} has the loss and the gradient of TRL`, async () => {
    const head = floats(identity(teacher_logits[0]!.length));
    agree(await computed(student_logits, mask, fullDivergence(beta), [floats(teacher_logits), head]), expected);
  });

const FORMS: Record<string, Tail> = { tail_bucket: "bucket", renormalised: "renormalize", raw: "ignore" };

for (const { k, form, beta = 0, ...expected } of reference.top_k_with_tail.cases.filter(({ form }) => form in FORMS))
  test(`the ${k} most likely tokens at beta ${beta}, tail: ${FORMS[form]}, have the loss and the gradient of the formula`, async () =>
    agree(await computed(student_logits, mask, topDivergence(beta, FORMS[form]!), top(k)), expected));

test("a student's tail of 1e-9 keeps its digits", async () => {
  const { student_logits, ids, log_probabilities, teacher_tail_probabilities, ...expected } =
    reference.top_k_with_tail.below_trl_clamp;
  const rest = floats(teacher_tail_probabilities.map((p) => [Math.log(p)]));
  const operands = [integers(ids), floats(log_probabilities), rest];
  agree(await computed(student_logits, [1, 1, 1], topDivergence(0, "bucket"), operands), expected);
});

for (const { k, alpha, weighted_by, ...expected } of reference.kd.cases)
  test(`kd with alpha ${alpha}, ${k} tokens, rows weighted by ${weighted_by}, has the loss and the gradient of the formula`, async () => {
    const rule = mixed(
      alpha,
      { name: "cross_entropy", rule: crossEntropy, operands: 1 },
      { name: "forward_kl", rule: topDivergence(0, "bucket") },
    );
    const operands = [integers(labels.map((label) => [label])), ...top(k)];
    agree(await computed(student_logits, weighted_by === "mask" ? mask : weights, rule, operands), expected);
  });

type Completion = {
  advantage: number;
  log_probabilities: number[];
  old_log_probabilities: number[];
  reference_log_probabilities: number[];
};
type PolicyCase = {
  loss_type: LossType;
  importance_sampling_level: "token" | "sequence";
  beta: number;
  bias_correction: boolean;
  loss: number;
  gradient: Rows;
};
const { inputs: policy, cases: policyCases } = (
  reference as unknown as {
    grpo: {
      inputs: {
        epsilon: number;
        epsilon_high: number;
        max_completion_length: number;
        num_items_in_batch: number;
        completions: Completion[];
      };
      cases: PolicyCase[];
    };
  }
).grpo;

for (const { loss_type, importance_sampling_level: level, beta, bias_correction, ...expected } of policyCases)
  test(`GRPO, ${loss_type}, ratios of a ${level}, beta ${beta}, ${bias_correction ? "corrected" : "plain"} KL, has the loss and the gradient of TRL`, async () => {
    const { completions } = policy;
    const lengths = completions.map(({ log_probabilities }) => log_probabilities.length);
    const shares = tokenShares(lengths, loss_type, policy.max_completion_length, policy.num_items_in_batch);
    const flat = (of: (completion: Completion, i: number) => number[]) =>
      completions.flatMap((completion, i) => of(completion, i).map((x) => [x]));
    const lp = flat(({ log_probabilities }) => log_probabilities).flat();
    const rows = lp.length;
    // two tokens, of which the first is the label: logits (log p, log(1 - p))
    const logits = lp.map((x) => [x, Math.log(-Math.expm1(x))]);
    const each = (of: (completion: Completion) => number) =>
      floats(flat((completion) => completion.log_probabilities.map(() => of(completion))));
    const columns: Record<PolicyColumn, () => Value> = {
      advantages: () => each(({ advantage }) => advantage),
      old: () => floats(flat(({ old_log_probabilities }) => old_log_probabilities)),
      shares: () => floats(flat((_, i) => new Array(lengths[i]!).fill(shares[i]! * rows))),
      reference: () => floats(flat(({ reference_log_probabilities }) => reference_log_probabilities)),
      change: () =>
        each(({ log_probabilities: now, old_log_probabilities: old }) => average(now.map((x, t) => x - old[t]!))),
      k3: () =>
        each(({ log_probabilities: now, reference_log_probabilities: other }) =>
          average(now.map((x, t) => Math.exp(other[t]! - x) - (other[t]! - x) - 1)),
        ),
    };
    const { epsilon, epsilon_high } = policy;
    const options = { on_policy: false, level, epsilon, epsilon_high, beta, use_bias_correction_kl: bias_correction };
    const rule = policyGradient(options);
    const operands = [
      constant(new Array(rows).fill(0), "int32", [rows, 1]),
      ...policyColumns(options).map((name) => columns[name]()),
    ];
    const found = await computed(logits, new Array(rows).fill(1), rule, operands);
    // d loss / d logits of the label = slope · (1 - p)
    const slopes = found.gradient.map(([g], i) => g! / (1 - Math.exp(lp[i]!)));
    agree({ loss: found.loss, gradient: [slopes] }, { loss: expected.loss, gradient: [expected.gradient.flat()] });
  });

after(async () => (await testDevice()).close());
