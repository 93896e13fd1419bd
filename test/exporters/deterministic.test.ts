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

/** The hashes of the files of each of `exports`, which a process makes one after the other, of another student before. */
function exported(name: string, exports: Record<string, object>, ...before: string[]) {
  const output = join(folder, name);
  const child = join(import.meta.dirname, "../support/export-child.js");
  execFileSync(process.execPath, [child, student, output, JSON.stringify(exports), ...before]);
  return Object.fromEntries(Object.keys(exports).map((exporter) => [exporter, hashesIn(join(output, exporter))]));
}

function hashesIn(written: string): Record<string, string> {
  const files = readdirSync(written, { recursive: true, encoding: "utf8" }).sort();
  const hashes = files.filter((file) => statSync(join(written, file)).isFile());
  return Object.fromEntries(hashes.map((file) => [file, sha256(join(written, file))]));
}

let used: ReturnType<typeof exported> | undefined;
const turned = Object.fromEntries(Object.entries(OPTIONS).map(([exporter, [, options]]) => [exporter, options]));

for (const [exporter, [options]] of Object.entries(OPTIONS))
  test(`${exporter} writes the same bytes whatever its process compiled and exported before, in whichever order`, () => {
    const fresh = exported(`fresh ${exporter}`, { [exporter]: options })[exporter]!;
    assert.ok(Object.keys(fresh).length >= 2);
    used ??= exported("used", turned, other);
    assert.deepEqual(used[exporter], fresh);
  });
