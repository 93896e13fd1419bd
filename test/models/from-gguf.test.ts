import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gguf } from "../../src/exporters/gguf.ts";
import { type GgufFile, openGguf } from "../../src/formats/gguf-reader.ts";
import { configFromGguf } from "../../src/models/from-gguf.ts";
import * as families from "../../src/models/index.ts";
import type { ModelConfig } from "../../src/models/load.ts";
import type { Family } from "../../src/models/model.ts";
import { writeModel } from "../support/models.ts";
import { scratch } from "../support/students.ts";
import { TOY } from "../support/training.ts";

const folder = scratch();

async function fileOf(name: string, config: ModelConfig): Promise<{ file: GgufFile; path: string }> {
  const source = await writeModel(join(folder, name), config);
  const [exported] = await gguf.create({ types: ["f32"] })({ folder: source }, `${source}-gguf`);
  const file = openGguf(exported!.path);
  file.close();
  return { file, path: exported!.path };
}

const { cases } = JSON.parse(readFileSync("test/reference/families.json", "utf8")) as {
  cases: Record<string, { config: ModelConfig }>;
};
for (const [name, { config }] of Object.entries(cases))
  test(`${name}: the family claims its file, and is told from another that has the same architecture in llama.cpp`, async () => {
    const { file, path } = await fileOf(name.replaceAll(/\W/g, "-"), config);
    const own = (families as Record<string, Family>)[config.model_type]!;
    assert.equal(configFromGguf(file, path).model_type, config.model_type);
    const first = { aaa: { ...own, ggufMarks: { has: ["blk.0.other.weight"] } } };
    assert.equal(configFromGguf(file, path, { ...first, ...families }).model_type, config.model_type);
  });

const biased: Family = { ...(families.llama as Family), ggufMarks: { has: ["blk.0.attn_q.bias"] } };
const known: Record<string, Family> = { biased_llama: biased, ...families };

/** A file with one tensor or key more. */
function adding(file: GgufFile, name: string): GgufFile {
  const tensor = file.tensors.get("blk.0.attn_norm.weight")!;
  const [key, value] = ["llama.expert_count", file.metadata.get("llama.block_count")!] as const;
  return name === key
    ? { ...file, metadata: new Map([...file.metadata, [key, value]]) }
    : { ...file, tensors: new Map([...file.tensors, [name, { ...tensor, name }]]) };
}

test("of families that share an architecture that one is taken whose marks the file has", async () => {
  const { file, path } = await fileOf("shared", TOY);
  assert.equal(configFromGguf(file, path, known).model_type, "llama");
  assert.equal(configFromGguf(adding(file, "blk.0.attn_q.bias"), path, known).model_type, "biased_llama");
  const experts: Family = { ...biased, ggufMarks: { has: ["expert_count"] } };
  const other: Family = { ...biased, ggufMarks: { lacks: ["expert_count"] } };
  const told = (file: GgufFile) => configFromGguf(file, path, { experts, other }).model_type;
  assert.deepEqual([told(file), told(adding(file, "llama.expert_count"))], ["other", "experts"]);
});

test("a file that two families claim, or none, is refused with what they look for", async () => {
  const { file, path } = await fileOf("refused", TOY);
  const refused = (file: GgufFile, known: Record<string, Family>, message: RegExp) =>
    assert.throws(() => configFromGguf(file, path, known), { name: "DistillError", message });
  refused(
    file,
    { any_llama: { ...biased, ggufMarks: {} }, ...families },
    /refused-gguf.*may be a model of each of any_llama and llama: nothing .* "llama" tells them apart\. Give .* HF folder/,
  );
  refused(
    adding(file, "blk.0.ffn_gate_inp.weight"),
    known,
    /"llama", and of no family that is known to have it: biased_llama has blk\.0\.attn_q\.bias; llama has no blk\.0\.attn_q\.bias and no blk\.0\.ffn_gate_inp\.weight\.$/,
  );
});
