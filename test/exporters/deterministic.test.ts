import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { sha256 } from "../../src/core/hash.ts";
import { GGUF_TYPES } from "../../src/exporters/gguf/types.ts";
import type * as exporters from "../../src/exporters/index.ts";
import { DTYPES } from "../../src/exporters/onnx/storage.ts";
import { writeAdapter } from "../support/lora.ts";
import { scratch, writeStudent } from "../support/students.ts";

/** Everything that each exporter can write, in an order and in the other one. */
const OPTIONS: Record<keyof typeof exporters, [object, object]> = {
  gguf: [{ types: GGUF_TYPES }, { types: GGUF_TYPES.toReversed() }],
  ollama: [
    { type_of_weights: "q4_0", system: "Be brief.", parameters: { seed: 1, num_ctx: 64 } },
    { parameters: { num_ctx: 64, seed: 1 }, system: "Be brief.", type_of_weights: "q4_0" },
  ],
  web: [
    { dtypes: ["q4f16", "q8"], max_new_tokens: 8, title: "A" },
    { title: "A", max_new_tokens: 8, dtypes: ["q4f16", "q8"] },
  ],
  gguf_lora: [{ types: ["f16", "f32"] }, { types: ["f32", "f16"] }],
  onnx: [
    { dtypes: DTYPES, max_file_bytes: 100_000, transformers_js: 4 },
    { dtypes: DTYPES.toReversed(), max_file_bytes: 100_000, transformers_js: 4 },
  ],
};

const folder = scratch();
const student = join(folder, "student");
const other = join(folder, "other");
before(async () => {
  await writeStudent(student);
  await writeStudent(other, { hidden_size: 64, num_hidden_layers: 1, tie_word_embeddings: false }, 4);
  for (const place of [student, other])
    writeFileSync(join(place, "chat_template.jinja"), "{% for m in messages %}{{ m.content }}={% endfor %}");
  for (const base of [student, other]) await writeAdapter(`${base}-adapter`, base);
});

/** The hash of every file of an export that a process of its own made. */
function exported(exporter: string, name: string, options: object, ...before: string[]): Record<string, string> {
  const output = join(folder, exporter, name);
  const child = join(import.meta.dirname, "../support/export-child.js");
  execFileSync(process.execPath, [child, exporter, student, output, JSON.stringify(options), ...before]);
  const written = join(output, "export");
  const files = readdirSync(written, { recursive: true, encoding: "utf8" }).sort();
  const hashes = files.filter((file) => statSync(join(written, file)).isFile());
  return Object.fromEntries(hashes.map((file) => [file, sha256(join(written, file))]));
}

for (const [exporter, [options, turned]] of Object.entries(OPTIONS))
  test(`${exporter} writes the same bytes whatever its process compiled and exported before, in whichever order`, () => {
    const fresh = exported(exporter, "fresh", options);
    assert.ok(Object.keys(fresh).length >= 2);
    assert.deepEqual(exported(exporter, "used", turned, other), fresh);
  });
