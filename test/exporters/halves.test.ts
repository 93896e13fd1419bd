/** @file Files that compute in halves, on WebGPU: for it they are made, and its kernels are not the CPU's. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { AutoModelForCausalLM, env, Tensor as HfTensor } from "@huggingface/transformers";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { FILES, onnx } from "../../src/exporters/onnx.ts";
import { compareRunner, continueGreedily } from "../../src/exporters/parity.ts";
import { openOnnxRunner } from "../../src/exporters/runners/onnx.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import { scratch } from "../support/students.ts";
import { whyNoHalfVulkan } from "../support/vulkan.ts";

const skip = whyNoHalfVulkan() ?? false;
const STUDENT = "data/models/stories-base";

test(
  "fp16 and q4f16 are near the weights on webgpu, and transformers.js keeps their cache in halves",
  { skip },
  async () => {
    env.allowRemoteModels = false;
    const output = join(scratch(), "export");
    await onnx.create({ dtypes: ["fp16", "q4f16"], max_file_bytes: 1e9, transformers_js: 3 })(
      { folder: STUDENT },
      output,
    );
    const tokenizer = loadTokenizer(STUDENT);
    const prompts = ["Anna has 3 apples and buys 4 more. How many are left?", "Tom has 5 pens."].map(tokenizer.encode);
    const reference = await openReferenceRunner(STUDENT);
    const options = { stops: tokenizer.stops, max_completion_length: 8 };
    const continuations = await continueGreedily(reference, prompts, options);
    for (const [dtype, limit] of [
      ["fp16", 1e-3],
      ["q4f16", 0.5],
    ] as const) {
      const runner = await openOnnxRunner(join(output, "onnx", FILES[dtype]), "webgpu");
      const { mean_kl } = await compareRunner(dtype, runner, continuations);
      await runner.close();
      assert.ok(mean_kl > 0 && mean_kl < limit, `${dtype}: ${mean_kl}`);
      const model = await AutoModelForCausalLM.from_pretrained(output, { dtype, device: "webgpu" });
      const ids = prompts[0]!;
      const inputs = new HfTensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]);
      const mask = new HfTensor("int64", new BigInt64Array(ids.length).fill(1n), [1, ids.length]);
      const said = (await model.generate({
        inputs,
        attention_mask: mask,
        max_new_tokens: 8,
        do_sample: false,
      } as Parameters<typeof model.generate>[0])) as HfTensor;
      const found = (said.tolist() as bigint[][])[0]!.slice(ids.length).map(Number);
      assert.equal(found[0], continuations[0]!.completion[0], dtype);
      await model.dispose();
    }
    await reference.close();
  },
);
