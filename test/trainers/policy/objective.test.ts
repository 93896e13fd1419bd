import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Batch, Row } from "../../../src/data/batch.ts";
import { initialWeights } from "../../../src/models/load.ts";
import type { Parameter } from "../../../src/models/model.ts";
import { crossEntropy } from "../../../src/nn/cross-entropy.ts";
import { policyColumns } from "../../../src/nn/policy.ts";
import { type Device, openDevice } from "../../../src/runtime/device.ts";
import { tensor } from "../../../src/runtime/tensor.ts";
import { relativeDifference } from "../../../src/trainers/laws/law.ts";
import { gradientName } from "../../../src/trainers/layout/layout.ts";
import type { Objective } from "../../../src/trainers/objective.ts";
import { type PolicyBatch, policyObjective, policyOptions } from "../../../src/trainers/policy/objective.ts";
import { GrpoOptions } from "../../../src/trainers/policy/options.ts";
import { compileTraining, resetMoments } from "../../../src/trainers/program.ts";
import { LABELS, nextTokenFeeds, supervisedIn, supervisedLoss } from "../../../src/trainers/supervised.ts";
import { ADAMW, newModel } from "../../../src/trainers/toy.ts";
import { random, testDevice } from "../../support/finite-differences.ts";
import { batchOf, segment, TOY } from "../../support/training.ts";
import { whyNoVulkan } from "../../support/vulkan.ts";

const options = (changes: object = {}) =>
  GrpoOptions.parse({ prompts: { path: "prompts.jsonl" }, learning_rate: 1e-3, ...changes });

const segments = [segment(1, 20, 5), segment(2, 9, 3), segment(3, 14, 1), segment(4, 5, 2)];

/** Numbers of each supervised position that hang on the segment and the token alone, wherever these lie. */
function policyBatch(batch: Batch, rows: readonly Row[]): PolicyBatch {
  const numbers = new Map(
    segments.map((one, i) => {
      const next = random(i + 5, -1, 1);
      const own = () => Float32Array.from(one.tokens, next);
      const k3 = Math.abs(next()) / 8;
      const change = [0.5, -0.4, 0.1, 0.3][i]!;
      const same = (x: number) => own().fill(x);
      const old = own().map((x) => x - 3.5); // about -log 40, so that ratios lie on both sides of the clip
      return [
        one,
        {
          ...{ advantages: own(), old, shares: same(1 / (i + 10)), reference: old.map((x) => x + next() / 4) },
          ...{ change: same(change), k3: same(k3), returns: own(), values: own() },
        },
      ] as const;
    }),
  );
  type Name = "advantages" | "old" | "shares" | "reference" | "change" | "k3" | "returns" | "values";
  const column = (name: Name) =>
    Float32Array.from(
      rows.flatMap((row) =>
        row.flatMap((one) => {
          const of = numbers.get(one as (typeof segments)[number])!;
          return one.supervised.flatMap((learned, t) => (learned && t > 0 ? [of[name][t]!] : []));
        }),
      ),
    );
  const names: Name[] = ["advantages", "old", "shares", "reference", "change", "k3", "returns", "values"];
  const made = { ...batch, ...Object.fromEntries(names.map((name) => [name, column(name)])) };
  assert.equal(made.supervised.length, (made as PolicyBatch).advantages!.length);
  return made;
}

/** The loss, what is logged, and the gradients of micro-batches, with the value head's. */
async function computed<Made extends Batch>(
  device: Device,
  objective: Objective<Made>,
  batches: readonly Made[],
  steps = 1,
) {
  const model = await newModel(device, TOY);
  const parameters = [...model.parameters, ...(objective.parameters ?? [])];
  await ownWeights(device, objective.parameters ?? []);
  const training = await compileTraining(device, model, objective, batches[0]!.shape, ADAMW, parameters);
  const losses: number[] = [];
  let metrics: Record<string, number> = {};
  for (let step = 0; step < steps; step++) {
    const report = await training.step(batches, { learning_rate: steps > 1 ? 1e-3 : 0, max_grad_norm: 1 });
    losses.push(report.loss);
    metrics = report.metrics;
  }
  const gradients = new Map<string, Float32Array>();
  if (device.name === "cpu")
    for (const { name } of parameters)
      gradients.set(name, (await device.read(gradientName(name))).data as Float32Array);
  await training.release();
  return { losses, metrics, gradients };
}

async function ownWeights(device: Device, parameters: readonly Parameter[]) {
  const filled = parameters.map((parameter) => ({ ...parameter, init: "normal" as const }));
  for (const { name, shape, data } of initialWeights({ parameters: filled, initializer_range: 0.3 }, 5))
    await device.write(name, tensor("float32", shape, data));
  await resetMoments(device, parameters);
}

const KINDS: Record<string, object> = {
  "on policy": {},
  "with ratios of tokens": { num_iterations: 2 },
  "with ratios of completions": { num_iterations: 2, importance_sampling_level: "sequence" },
  "near a reference": { num_iterations: 2, beta: 0.04 },
  "near a reference, ratios of completions": { num_iterations: 2, beta: 0.04, importance_sampling_level: "sequence" },
  "with a value head": { num_iterations: 2, baseline: "value", vf_coef: 0.5 },
};

const rowsApart: Row[] = segments.map((one) => [one]);
const apart = policyBatch(batchOf(rowsApart, 20), rowsApart);

for (const [kind, changes] of Object.entries(KINDS))
  test(`reinforcement ${kind}: packed rows have the loss and the gradients of rows of their own`, async () => {
    const device = await testDevice();
    const model = await newModel(device, TOY);
    const objective = policyObjective(options(changes), model);
    const rows: Row[] = [[segments[3]!, segments[2]!, segments[1]!], [segments[0]!]];
    const packed = policyBatch(batchOf(rows, 28), rows);
    const [a, b] = [await computed(device, objective, [apart]), await computed(device, objective, [packed])];
    assert.ok(Math.abs(a.losses[0]! - b.losses[0]!) < 1e-5 * Math.max(1, Math.abs(b.losses[0]!)));
    for (const [name, gradient] of a.gradients)
      assert.ok(relativeDifference(gradient, b.gradients.get(name)!) < 1e-4, name);
    for (const [name, value] of Object.entries(a.metrics))
      assert.ok(Math.abs(value - b.metrics[name]!) < 1e-5 * Math.max(1, Math.abs(value)), name);
    if (changes === KINDS["with a value head"]) {
      assert.ok(a.gradients.get("value_head.weight")!.some((g) => g !== 0));
      assert.ok(a.metrics.value_loss! > 0);
    }
    if ("num_iterations" in changes) assert.ok(a.metrics.clip_ratio! > 0 && a.metrics.clip_ratio! < 1);
  });

test("on policy the gradient is that of the cross-entropy, each token weighted by its advantage, bit for bit", async () => {
  const device = await testDevice();
  const model = await newModel(device, TOY);
  const total = supervisedIn([apart]);
  const weightOf = (i: number) => {
    const share = Math.fround(total * apart.shares![i]!);
    return Math.fround(Math.fround(1 / total) * Math.fround(apart.advantages![i]! * share));
  };
  const weighted: Objective<PolicyBatch> = {
    loss: (model, shape, settings) => supervisedLoss(model, shape, crossEntropy, [LABELS], settings),
    feeds: (batches) =>
      batches.map((batch) => {
        const feeds = nextTokenFeeds(batch, 1);
        const size = Math.max(1, Math.ceil(batch.supervised.length / batch.shape.chunks));
        for (let chunk = 0; chunk < batch.shape.chunks; chunk++) {
          const data = Float32Array.from({ length: size }, (_, k) =>
            chunk * size + k < batch.supervised.length ? weightOf(chunk * size + k) : 0,
          );
          feeds[`weights_${chunk}`] = tensor("float32", [size, 1], data);
        }
        return feeds;
      }),
  };
  const found = await computed(device, policyObjective(options(), model), [apart]);
  const expected = await computed(device, weighted, [apart]);
  for (const [name, gradient] of expected.gradients) {
    assert.ok(gradient.some((g) => g !== 0));
    assert.deepEqual(found.gradients.get(name), gradient, name);
  }
  // every ratio is 1, so that the loss is -Σ share · advantage whatever the model says
  const loss = -apart.advantages!.reduce((sum, advantage, i) => sum + advantage * apart.shares![i]!, 0);
  assert.ok(Math.abs(found.losses[0]! - loss) < 1e-5);
});

test("a rule names the columns that it reads, and no others", () => {
  const columns = (changes: object) => policyColumns(policyOptions(options(changes)));
  assert.deepEqual(columns({}), ["advantages", "old", "shares"]);
  assert.deepEqual(columns({ beta: 0.1 }), ["advantages", "old", "shares", "reference"]);
  assert.deepEqual(columns({ importance_sampling_level: "sequence" }), ["advantages", "old", "shares"]);
  assert.deepEqual(columns({ importance_sampling_level: "sequence", steps_per_generation: 2, beta: 0.1 }), [
    "advantages",
    "old",
    "shares",
    "reference",
    "change",
    "k3",
  ]);
});

test("reinforcement on webgpu has the losses of the CPU", { skip: whyNoVulkan() ?? false }, async () => {
  const other = await openDevice("webgpu", { strict: true });
  const model = await newModel(other, TOY);
  for (const kind of ["near a reference", "with a value head"]) {
    const objective = policyObjective(options(KINDS[kind]), model);
    const [cpu, gpu] = [
      await computed(await testDevice(), objective, [apart], 3),
      await computed(other, objective, [apart], 3),
    ];
    for (const [i, loss] of cpu.losses.entries())
      assert.ok(
        Math.abs(loss - gpu.losses[i]!) < 1e-3 * Math.max(1, Math.abs(loss)),
        `${kind}: ${cpu.losses} and ${gpu.losses}`,
      );
    assert.notEqual(cpu.losses[0], cpu.losses[2]);
  }
  await other.close();
});

after(async () => (await testDevice()).close());
