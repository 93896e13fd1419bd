/** @file Our files of every type, tensor by tensor beside those that llama.cpp's own quantiser makes of the same weights. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileType, GGUF_TYPES } from "../../../src/exporters/gguf/types.ts";
import { gguf } from "../../../src/exporters/gguf.ts";
import { GGML_TYPES } from "../../../src/formats/ggml.ts";
import { openGguf } from "../../../src/formats/gguf-reader.ts";
import { whyNoQuantiser, writeAsLlamaCppDoes } from "../../support/llama-quantizer.ts";
import { writeModel } from "../../support/models.ts";
import { scratch } from "../../support/students.ts";
import { TOY } from "../../support/training.ts";

const folder = scratch();
const wide = { ...TOY, hidden_size: 256, intermediate_size: 256, num_attention_heads: 4, num_key_value_heads: 2 };
const MODELS = {
  "nine layers, a tied head": { ...wide, num_hidden_layers: 9 },
  "seventeen layers, a head of its own": { ...wide, num_hidden_layers: 17, tie_word_embeddings: false },
  "rows that 256 does not divide": { ...wide, hidden_size: 96, intermediate_size: 256, num_hidden_layers: 8 },
};
const QUANTISED = GGUF_TYPES.filter((type) => type.startsWith("q"));

const contents = (path: string) => {
  const file = openGguf(path);
  const found = [...file.tensors.values()].map(({ name, type }) => ({ name, type, bytes: file.read(name) }));
  file.close();
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
};

for (const [name, config] of Object.entries(MODELS))
  test(`every type has llama.cpp's mixture and its bytes: ${name}`, { skip: whyNoQuantiser() }, async () => {
    const source = await writeModel(join(folder, name), config);
    const output = join(folder, `${name} gguf`);
    const files = await gguf.create({ types: ["f32", ...QUANTISED] })({ folder: source }, output);
    for (const [i, type] of QUANTISED.entries()) {
      const theirs = join(output, `theirs-${type}.gguf`);
      writeAsLlamaCppDoes(files[0]!.path, theirs, fileType(type), GGML_TYPES.Q8_0[0]);
      const [ours, expected] = [contents(files[i + 1]!.path), contents(theirs)];
      const kinds = (all: typeof ours) => all.map(({ name, type }) => `${name} ${type}`);
      assert.deepEqual(kinds(ours), kinds(expected), type);
      for (const [k, { name, bytes }] of ours.entries())
        assert.ok(Buffer.compare(bytes, expected[k]!.bytes) === 0, `${type}: ${name} has other bytes`);
    }
  });

test("embedding and head have the types that are asked for", async () => {
  const source = await writeModel(join(folder, "asked"), { ...wide, tie_word_embeddings: false });
  const asked = { token_embedding_type: "q4_k", output_tensor_type: "q6_k" } as const;
  const [file] = await gguf.create({ types: ["q4_k_m"], ...asked })({ folder: source }, join(folder, "asked gguf"));
  const types = new Map(contents(file!.path).map(({ name, type }) => [name, type]));
  assert.equal(types.get("token_embd.weight"), "Q4_K");
  assert.equal(types.get("output.weight"), "Q6_K");
});
