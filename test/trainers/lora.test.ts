import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gradients } from "../../src/compiler/gradients.ts";
import { backwards, runtimeOrder } from "../../src/compiler/listing.ts";
import { lower } from "../../src/compiler/lower.ts";
import { schedule } from "../../src/compiler/schedule.ts";
import { targets } from "../../src/compiler/targets.ts";
import type { Value } from "../../src/graph/value.ts";
import { createModel, initialWeights, type ModelConfig } from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import { BASE_DTYPES, type BaseDtype } from "../../src/models/storage.ts";
import { resolve } from "../../src/ops/after.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { isFrozen, trainedPart } from "../../src/student/trained.ts";
import { writeWeight } from "../../src/trainers/checkpoint.ts";
import { dropoutMasks } from "../../src/trainers/dropout.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { testDevice } from "../support/finite-differences.ts";
import { prepareLora } from "../support/lora.ts";
import { ADAMW, batchOf, relativeDifference, segment, TOY } from "../support/training.ts";

const batch = batchOf([[segment(1, 20, 3), segment(2, 9)], [segment(4, 27)]], 32, 40, 12);
/** Rows of all matrices are blocks of q8_0. */
const blocks: ModelConfig = { ...TOY, intermediate_size: 64 };
const untied: ModelConfig = { ...TOY, tie_word_embeddings: false };

/** Losses of steps of training, and the names of the states that they leave. */
async function train(model: Parameters<typeof compileTraining>[1], options: { rematerialize?: boolean } = {}) {
  const device = await testDevice();
  const { parameters } = trainedPart(model, untied);
  await resetMoments(device, parameters);
  const training = await compileTraining(device, model, nextToken, batch.shape, { ...ADAMW, ...options }, parameters);
  const losses: number[] = [];
  for (let step = 1; step <= 8; step++) {
    const masks = [dropoutMasks(model.adapter, batch.shape, step)];
    losses.push((await training.step([batch], { learning_rate: 1e-2, max_grad_norm: 1, masks })).loss);
  }
  return losses;
}

for (const lora_dropout of [0, 0.2])
  test(`training an adapter lowers the loss, dropout ${lora_dropout}, and leaves the model's own weights as they are`, async () => {
    const device = await testDevice();
    await device.forget(...(await device.states()));
    const model = await prepareLora(device, untied, { lora_dropout });
    const losses = await train(model);
    assert.ok(losses.at(-1)! < losses[0]! - 0.1, `${losses}`);
    for (const { name, data } of initialWeights(model, 3)) assert.deepEqual((await device.read(name)).data, data, name);
    const trained = model.adapter!.parameters.flatMap(({ name }) => [`grad/${name}`, `m/${name}`, `v/${name}`, name]);
    const own = model.parameters.map(({ name }) => name);
    assert.deepEqual(new Set(await device.states()), new Set([...trained, ...own]));
    const again = await prepareLora(device, untied, { lora_dropout });
    assert.deepEqual(await train(again, { rematerialize: true }).then((x) => x.length), losses.length);
  });

test("layers that are computed again give the same losses, dropout included", async () => {
  const device = await testDevice();
  const options = { lora_dropout: 0.2, target_modules: ["q_proj", "down_proj", "lm_head"] };
  const kept = await train(await prepareLora(device, untied, options));
  const again = await train(await prepareLora(device, untied, options), { rematerialize: true });
  assert.ok(relativeDifference(again, kept) < 1e-5, `${again} and ${kept}`);
});

test("what is frozen has no gradient in the program, the embedding and the head included", () => {
  const sizes = (model: ReturnType<typeof createModel>) => {
    const { parameters } = trainedPart(model, untied);
    const short = batchOf([[segment(1, 16)]], 16); // so few tokens that nothing is merged
    const grads = gradients(
      nextToken.loss(model, short.shape).loss,
      parameters.map(({ name }) => model.weight(name)),
    );
    return schedule(lower(grads, targets.cpu), backwards)
      .order.filter(({ node }) => node)
      .map(({ shape }) => `${shape}`);
  };
  const lora = LoraOptions.parse({ r: 3 });
  const [whole, adapter] = [sizes(createModel(untied, "test")), sizes(createModel(untied, "test", { lora }))];
  const matrices = ["40,32", "32,40", "16,32", "48,32", "32,48"];
  const ofMatrix = (shapes: string[]) => shapes.filter((shape) => matrices.includes(shape) && shape !== "16,32");
  assert.ok(ofMatrix(whole).length >= 2 + 3 * 2, `${ofMatrix(whole)}`);
  assert.deepEqual(ofMatrix(adapter), []);
});

for (const rematerialize of [false, true])
  test(`no widened or merged copy of a matrix outlives its use${rematerialize ? ", layers rematerialised" : ""}`, () => {
    const many: ModelConfig = { ...blocks, num_hidden_layers: 6, vocab_size: 64 };
    for (const base of ["float32", "float16", "q8_0"] as const) {
      const lora = LoraOptions.parse({ r: 2 });
      const model = createModel(many, "test", { lora, base: () => base });
      const long = batchOf([[segment(1, 96)]], 96, 64, 48); // so many tokens that the adapter is merged
      const { parameters } = model.adapter!;
      const { loss } = nextToken.loss(model, long.shape, { rematerialize });
      const grads = gradients(
        loss,
        parameters.map(({ name }) => model.weight(name)),
      );
      // as in compileTraining: from the last layer to the first
      const { listed } = schedule(lower([...grads.reverse(), loss], targets.cpu), backwards);
      const order = runtimeOrder(listed);
      const last = new Map<Value, number>();
      for (const [now, { node }] of order.entries()) for (const x of node!.inputs) last.set(resolve(x), now);
      const shapes = new Set(model.parameters.filter(({ shape }) => shape.length === 2).map(({ shape }) => `${shape}`));
      const copies = order.filter(({ shape, dtype }) => dtype === "float32" && shapes.has(`${shape}`));
      assert.ok(copies.length >= 2 * 6 * 7, `${copies.length}`);
      const born = new Map(copies.map((value) => [value, order.indexOf(value)]));
      const alive = order.map((_, now) => copies.filter((copy) => born.get(copy)! <= now && now <= last.get(copy)!));
      const elements = alive.map((copies) =>
        copies.reduce((sum, { shape }) => sum + (shape[0] as number) * (shape[1] as number), 0),
      );
      // a matrix that is widened, what B A is, and their sum; while the loss is made the head is there too
      const [largest, head] = [64 * 32, 64 * 32];
      assert.ok(Math.max(...elements) <= 3 * largest + head, `${Math.max(...elements)} elements of ${base}`);
    }
  });

/** The bytes of a weight that is kept in a type, and how far a widened one may be from what it was, relative to its row. */
const KEPT: Record<BaseDtype, { bytes: number; error: number }> = {
  float32: { bytes: 4, error: 0 },
  float16: { bytes: 2, error: 2 ** -11 },
  bfloat16: { bytes: 2, error: 2 ** -8 },
  q8_0: { bytes: 34 / 32, error: 1 / 127 },
};

for (const base_dtype of BASE_DTYPES)
  for (const lora of [true, false])
    test(`${lora ? "with an adapter" : "by pattern"}: frozen weights lie in memory once, as ${base_dtype}, and are trained on as what they were rounded to`, async () => {
      const device = await openDevice("cpu", { threads: 1 });
      const freeze = ["model.embed_tokens.*", "model.layers.0.*"];
      const base = ({ name }: { name: string }) => (lora || isFrozen(name, freeze) ? base_dtype : "float32");
      const make = (base?: (parameter: { name: string }) => BaseDtype) =>
        createModel(blocks, "test", {
          ...(lora ? { lora: LoraOptions.parse({ r: 4, target_modules: ["q_proj", "down_proj"] }) } : {}),
          ...(base ? { base } : {}),
        });
      const run = async (model: ReturnType<typeof make>, rounded: boolean) => {
        await device.forget(...(await device.states()));
        for (const weight of initialWeights(model, 3)) {
          const storage = make(base).storage(weight.name);
          if (rounded) weight.data = storage.decode(storage.encode(weight.data).map(({ data }) => data));
          await writeWeight(device, model, weight);
        }
        if (model.adapter)
          for (const weight of initialWeights({ ...model, ...model.adapter }, 5))
            await writeWeight(device, model, weight);
        const { parameters } = trainedPart(model, blocks, lora ? {} : { freeze });
        await resetMoments(device, parameters);
        const losses: number[] = [];
        for (const rematerialize of [false, true]) {
          const training = await compileTraining(
            device,
            model,
            nextToken,
            batch.shape,
            { ...ADAMW, rematerialize },
            parameters,
          );
          for (let step = 1; step <= 3; step++) {
            losses.push((await training.step([batch], { learning_rate: 1e-3, max_grad_norm: 1 })).loss);
          }
        }
        return losses;
      };
      const losses = await run(make(base), false);
      const states = await device.states();
      const bytes = new Map<string, number>();
      for (const name of states) bytes.set(name, (await device.read(name)).data.byteLength);
      for (const parameter of make().parameters) {
        const elements = parameter.shape.reduce((a, b) => a * b, 1);
        const matrix = parameter.shape.length === 2;
        const kept = states.filter((name) => name === parameter.name || name.startsWith(`${parameter.name}.`));
        const sum = kept.reduce((sum, name) => sum + bytes.get(name)!, 0);
        assert.equal(sum, elements * KEPT[matrix ? base(parameter) : "float32"].bytes, parameter.name);
        if (base(parameter) !== "float32" && matrix)
          assert.ok(!states.some((name) => name.startsWith("grad/") && name.endsWith(parameter.name)));
      }
      const expected = await run(make(), true);
      await device.close();
      assert.ok(relativeDifference(losses, expected) < 1e-6, `${losses} and ${expected}`);
      for (const { shape, data, ...rest } of initialWeights(make(), 3)) {
        const storage = make(base).storage(rest.name);
        const rounded = storage.decode(storage.encode(data).map(({ data }) => data));
        const largest = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        const limit = KEPT[shape.length === 2 ? base({ name: rest.name }) : "float32"].error * largest;
        assert.ok(data.every((x, i) => Math.abs(x - rounded[i]!) <= limit));
      }
    });

test("masks of dropout keep the share that they should, and are the same for the same seed", () => {
  const model = createModel(TOY, "test", { lora: LoraOptions.parse({ lora_dropout: 0.3 }) });
  const masks = dropoutMasks(model.adapter, batch.shape, 7);
  assert.equal(Object.keys(masks).length, 14);
  for (const { data } of Object.values(masks)) {
    const kept = (data as Uint8Array).reduce((sum, x) => sum + x, 0) / data.length;
    assert.ok(Math.abs(kept - 0.7) < 0.04, `${kept}`);
  }
  assert.deepEqual(dropoutMasks(model.adapter, batch.shape, 7), masks);
  assert.notDeepEqual(dropoutMasks(model.adapter, batch.shape, 8), masks);
  assert.deepEqual(dropoutMasks(createModel(TOY, "test").adapter, batch.shape, 7), {});
});

after(async () => (await testDevice()).close());
