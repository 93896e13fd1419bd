/** @file Our files of every type, tensor by tensor beside those that llama.cpp's own quantiser makes of the same weights. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { seededRandom } from "../../../src/core/random.ts";
import { fileType, GGUF_TYPES, type TypeName } from "../../../src/exporters/gguf/types.ts";
import { gguf } from "../../../src/exporters/gguf.ts";
import { GGML_TYPES } from "../../../src/formats/ggml.ts";
import { openGguf } from "../../../src/formats/gguf-reader.ts";
import type { ColumnSums, ImportanceMatrix } from "../../../src/formats/imatrix.ts";
import { createModel, ggufLayout, readConfig } from "../../../src/models/load.ts";
import { extent } from "../../support/extent.ts";
import { whyNoQuantiser, writeAsLlamaCppDoes } from "../../support/llama-quantizer.ts";
import { writeModel } from "../../support/models.ts";
import { scratch } from "../../support/students.ts";
import { TOY } from "../../support/training.ts";

const folder = scratch();
const wide = { ...TOY, hidden_size: 256, intermediate_size: 256, num_attention_heads: 4, num_key_value_heads: 2 };
/** What hangs on the layer shows in ffn_down, whose rows are long here too. */
const layered = extent({ ...wide, hidden_size: 32 }, wide);
const MODELS = {
  "rows of 256": { ...wide, num_hidden_layers: 2, tie_word_embeddings: false },
  "nine layers, a tied head": { ...layered, num_hidden_layers: 9 },
  "seventeen layers, a head of its own": { ...layered, num_hidden_layers: 17, tie_word_embeddings: false },
  "rows that 256 does not divide": { ...wide, hidden_size: 96, intermediate_size: 256, num_hidden_layers: 8 },
};
const QUANTISED = GGUF_TYPES.filter((type) => type.startsWith("q"));

const contents = (path: string) => {
  const file = openGguf(path);
  const found = [...file.tensors.values()].map(({ name, type }) => ({ name, type, bytes: file.read(name) }));
  file.close();
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
};

for (const name of [
  "rows of 256",
  "nine layers, a tied head",
  "seventeen layers, a head of its own",
  "rows that 256 does not divide",
] as const)
  test(`every type has llama.cpp's mixture and its bytes: ${name}`, { skip: whyNoQuantiser() }, async () => {
    const source = await modelOf(name);
    const output = join(folder, `${name} gguf`);
    const files = await gguf.create({ types: ["f32", ...QUANTISED] })({ folder: source }, output);
    requireAsLlamaCppDoes(files, QUANTISED, { embedding: GGML_TYPES.Q8_0[0] });
  });

for (const [name, embedding, types] of [
  ["nine layers, a tied head", "Q8_0", ["q4_k_m", "q4_0", "q5_0"]],
  ["rows of 256", "Q8_0", ["q4_k_m", "q4_0", "q5_0"]],
  ["rows of 256", "Q4_K", ["q5_k_m"]],
  ["rows that 256 does not divide", "Q8_0", QUANTISED],
] as const)
  test(`so it has with an importance matrix, ${types.join(", ")}: ${name}`, { skip: whyNoQuantiser() }, async () => {
    const source = await modelOf(name);
    const output = join(folder, `${name} ${embedding} weighed gguf`);
    const matrix = matrixFor(source);
    const importance = async () => ({ matrix, file: "imatrix.gguf" });
    const single = embedding.toLowerCase() as "q8_0" | "q4_k";
    const asked = { token_embedding_type: single, output_tensor_type: single, importance_matrix: { tokens: 1 } };
    const files = await gguf.create({ types: ["f32", ...types], ...asked })({ folder: source, importance }, output);
    const given = { embedding: GGML_TYPES[embedding][0], matrix: join(output, "imatrix.gguf") };
    requireAsLlamaCppDoes(files, types, given);
  });

const written = new Map<string, Promise<string>>();
/** A model's folder, written once. */
function modelOf(name: keyof typeof MODELS): Promise<string> {
  const source = written.get(name) ?? writeModel(join(folder, name), MODELS[name]);
  written.set(name, source);
  return source;
}

/** What follows a file in float32 are files of `types`, and as llama.cpp makes them of it. */
function requireAsLlamaCppDoes(
  [whole, ...files]: readonly { path: string }[],
  types: readonly TypeName[],
  given: Parameters<typeof writeAsLlamaCppDoes>[2],
): void {
  const theirs = types.map((type, i) => ({ path: `${files[i]!.path}.theirs`, fileType: fileType(type) }));
  writeAsLlamaCppDoes(whole!.path, theirs, given);
  for (const [i, type] of types.entries()) requireSame(files[i]!.path, theirs[i]!.path, type);
}

/** Both files have tensors of the same types and the same bytes. */
function requireSame(ours: string, theirs: string, what: string): void {
  const [found, expected] = [contents(ours), contents(theirs)];
  const kinds = (all: typeof found) => all.map(({ name, type }) => `${name} ${type}`);
  assert.deepEqual(kinds(found), kinds(expected), what);
  for (const [k, { name, bytes }] of found.entries())
    assert.ok(Buffer.compare(bytes, expected[k]!.bytes) === 0, `${what}: ${name} has other bytes`);
}

/** A matrix of the model in a folder: columns whose squares differ by orders of magnitude. */
function matrixFor(source: string): ImportanceMatrix {
  const random = seededRandom(7);
  const layout = new Map(ggufLayout(readConfig(source), source).tensors.map(({ name, gguf }) => [name, gguf]));
  const { parameters } = createModel(readConfig(source), source);
  const matrices = parameters.filter(({ name, shape }) => shape.length === 2 && !name.includes("embed"));
  const sums = (width: number) => Float32Array.from({ length: width }, () => 100 * Math.exp(2 * random.normal()));
  const entries = matrices.map(
    ({ name, shape }) => [layout.get(name)!, { sums: sums(shape[1]!), count: 100 }] as const,
  );
  return { entries: new Map(entries), datasets: ["rows.jsonl"], chunk_count: 1 };
}

test("embedding and head have the types that are asked for", async () => {
  const source = await writeModel(join(folder, "asked"), { ...wide, tie_word_embeddings: false });
  const asked = { token_embedding_type: "q4_k", output_tensor_type: "q6_k" } as const;
  const [file] = await gguf.create({ types: ["q4_k_m"], ...asked })({ folder: source }, join(folder, "asked gguf"));
  const types = new Map(contents(file!.path).map(({ name, type }) => [name, type]));
  assert.equal(types.get("token_embd.weight"), "Q4_K");
  assert.equal(types.get("output.weight"), "Q6_K");
});

test("a matrix that makes no difference to any type is not asked for, and that is said", async () => {
  const source = await writeModel(join(folder, "whole"), wide);
  const output = join(folder, "whole gguf");
  const importance = () => assert.fail("it is asked for");
  const asked = { types: ["f16", "q8_0"], importance_matrix: { tokens: 1 } } as const;
  const files = await gguf.create({ ...asked, types: [...asked.types] })({ folder: source, importance }, output);
  for (const { notes } of files) assert.match(notes![0]!, /importance_matrix makes no difference here/);
  assert.deepEqual(readdirSync(output).sort(), ["model-f16.gguf", "model-q8_0.gguf"]);
});

test("a matrix with columns that a tensor has not, or tensors that the model has not, is refused", async () => {
  const source = await writeModel(join(folder, "mismatched"), wide);
  const refused = (change: (entries: Map<string, ColumnSums>) => void, sentence: RegExp) => {
    const matrix = matrixFor(source);
    const entries = new Map(matrix.entries);
    change(entries);
    const importance = async () => ({ matrix: { ...matrix, entries }, file: "theirs.gguf" });
    const exported = gguf.create({ types: ["q4_0"], importance_matrix: { path: "theirs.gguf" } });
    return assert.rejects(exported({ folder: source, importance }, join(folder, "mismatched gguf")), sentence);
  };
  const other = { sums: new Float32Array(96), count: 1 };
  await refused(
    (entries) => entries.set("blk.0.attn_q.weight", other),
    /^DistillError: The importance matrix theirs\.gguf is of another model: it has 96 columns for "blk\.0\.attn_q\.weight", and that matrix reads 256\.$/,
  );
  await refused(
    (entries) => entries.set("blk.40.attn_q.weight", other),
    /it has "blk\.40\.attn_q\.weight", and this model has no such matrix/,
  );
  await refused((entries) => entries.delete("blk.1.ffn_up.weight"), /it has nothing for "blk\.1\.ffn_up\.weight"/);
});
