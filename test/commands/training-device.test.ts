import assert from "node:assert/strict";
import { test } from "node:test";
import { fits, memoryTaken } from "../../src/commands/stages/training-device.ts";
import { keeping, sparing, targets } from "../../src/compiler/targets.ts";
import { inMemory } from "../../src/data/example-store.ts";
import { createModel } from "../../src/models/load.ts";
import { TrainerOptions } from "../../src/trainers/options.ts";
import { SHAPES } from "../bench/shapes.ts";

test("a card keeps all that the backward pass reads where there is room, and computes again where there is not", () => {
  const model = createModel(SHAPES["SmolLM2-135M"]!.config, "SmolLM2");
  const trained = { parameters: model.parameters };
  const text = { tokens: new Array<number>(1024).fill(5), supervised: new Array<boolean>(1024).fill(true) };
  const segments = inMemory(new Array(8).fill(text));
  const options = TrainerOptions.parse({ max_length: 1024, per_device_train_batch_size: 4 });
  const taken = (target: typeof targets.cuda, name: "cuda" | "webgpu" = "cuda") =>
    memoryTaken(model, trained, { segments }, options, { name, target, resident: true });
  const [kept, again] = [taken(targets.cuda), taken(sparing(targets.cuda))];
  assert.ok(again < kept / 2, `${kept} MB, and ${again} where it is computed again`);
  assert.deepEqual(
    [32_000, 8_000].map((free) => fits(kept, free)),
    [true, false],
    `${kept} MB`,
  );
  assert.ok(fits(again, 16_000), `${again} MB`);
  // what a card was seen to take: test/bench/results/gpu-2026-11-27.md
  assert.ok(kept > 0.95 * 21_800 && kept < 1.3 * 21_800, `${kept} MB`);

  const [onWebGpu, spared] = [taken(keeping(targets.webgpu), "webgpu"), taken(targets.webgpu, "webgpu")];
  assert.ok(spared < 0.56 * onWebGpu, `${onWebGpu} MB, and ${spared} where it is computed again`);
});
