import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapterConfig } from "../../src/models/adapter-folder.ts";
import { createModel, saveTensors } from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import { keepsWeights } from "../../src/student/model.ts";
import { scratch } from "../support/students.ts";
import { TOY } from "../support/training.ts";

test("training an adapter leaves the student's weights as they are, unless it moves them or trains some whole", async () => {
  const lora = LoraOptions.parse({ target_modules: ["q_proj"] });
  const folder = join(scratch(), "adapter");
  mkdirSync(folder);
  const { adapter } = createModel(TOY, "test", { lora });
  await saveTensors(
    join(folder, ADAPTER_WEIGHTS),
    adapter!.parameters,
    async (name) =>
      new Float32Array(adapter!.parameters.find((p) => p.name === name)!.shape.reduce((a, b) => a * b, 1)),
  );
  const keeps = (init: string | boolean) => {
    const config = { ...adapterConfig(adapter!, null), init_lora_weights: init };
    writeFileSync(join(folder, ADAPTER_CONFIG), JSON.stringify(config));
    return keepsWeights({ student: { path: "base", adapter: folder }, lora });
  };
  assert.deepEqual([true, "gaussian", "pissa", "olora"].map(keeps), [true, true, false, false]);
  const student = { path: "base" };
  assert.equal(keepsWeights({ student, lora }), true);
  assert.equal(keepsWeights({ student, lora: { ...lora, modules_to_save: ["lm_head"] } }), false);
  assert.equal(keepsWeights({ student }), false);
});
