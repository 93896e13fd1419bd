import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { createModel, type ModelConfig } from "../../src/models/load.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { resetMoments } from "../../src/trainers/program.ts";
import { testDevice } from "../support/finite-differences.ts";
import { batchOf, compileFor, gradientsOf, relativeDifference } from "../support/training.ts";

type Case = {
  config: ModelConfig;
  rows: number[][];
  prompts: number[];
  losses: number[];
  norms: number[];
  gradients: Record<string, string>;
};
type Reference = {
  optimizer: {
    learning_rate: number;
    weight_decay: number;
    beta1: number;
    beta2: number;
    epsilon: number;
    max_grad_norm: number;
  };
  cases: Record<string, Case>;
};
const reference = JSON.parse(readFileSync("test/reference/llama_adamw.json", "utf8")) as Reference;

/** The same sines as in llama_adamw.py. */
function weight(name: string, shape: readonly number[]): Float32Array {
  const phase = [...name].reduce((sum, c) => sum + c.charCodeAt(0), 0) % 97;
  const scale = 0.8 / Math.sqrt(shape.at(-1)!);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
    const sine = Math.sin(0.7 * i + phase);
    return shape.length === 1 ? 1 + 0.1 * sine : sine * scale;
  });
}

for (const [name, { config, rows, prompts, losses, norms, gradients }] of Object.entries(reference.cases))
  for (const rematerialize of [false, true])
    test(`20 AdamW steps of a Llama (${name}${rematerialize ? ", layers rematerialised" : ""}) equal PyTorch's`, async () => {
      const device = await testDevice();
      const model = createModel(config, name);
      for (const { name, shape } of model.parameters)
        await device.write(name, tensor("float32", shape, weight(name, shape)));
      await resetMoments(device, model.parameters);
      const segments = rows.map((tokens, r) => ({ tokens, supervised: tokens.map((_, i) => i >= prompts[r]!) }));
      const batch = batchOf(
        segments.map((segment) => [segment]),
        rows[0]!.length,
        48,
        10,
      );
      const { learning_rate, max_grad_norm, ...options } = reference.optimizer;
      const training = await compileFor(device, model, batch, { ...options, rematerialize });
      for (const [i, expected] of losses.entries()) {
        const settings = { learning_rate, max_grad_norm };
        const { loss, grad_norm: norm } = await training.step([batch], settings);
        if (i === 0)
          for (const [weightName, found] of await gradientsOf(device, model)) {
            const bytes = Buffer.from(gradients[weightName]!, "base64");
            const numbers = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
            assert.equal(found.length, numbers.length);
            assert.ok(
              relativeDifference(found, numbers) <= 1e-4,
              `gradient of ${weightName}: ${relativeDifference(found, numbers)}`,
            );
          }
        assert.ok(Math.abs(loss - expected) <= 1e-4 * expected, `step ${i + 1}: loss ${loss}, PyTorch ${expected}`);
        assert.ok(Math.abs(norm - norms[i]!) <= 1e-2 * norms[i]!, `step ${i + 1}: norm ${norm}, PyTorch ${norms[i]}`);
      }
    });

after(async () => (await testDevice()).close());
