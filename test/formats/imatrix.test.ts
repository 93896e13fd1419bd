import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeWholeFrom } from "../../src/core/files.ts";
import { ggufHeader, string, uint32, writeGguf } from "../../src/formats/gguf.ts";
import { type ImportanceMatrix, importances, readImportance, writeImportance } from "../../src/formats/imatrix.ts";
import { scratch } from "../support/students.ts";

const folder = scratch();
const matrix: ImportanceMatrix = {
  entries: new Map([
    ["blk.0.attn_q.weight", { sums: Float32Array.of(1, 2, 0.5), count: 3 }],
    ["blk.0.ffn_down.weight", { sums: Float32Array.of(7, 0), count: 3 }],
  ]),
  datasets: ["rows.jsonl"],
  chunk_count: 1,
};

test("a matrix is written as llama-imatrix writes it, and read back", async () => {
  const path = join(folder, "round.gguf");
  await writeWholeFrom(path, writeImportance(matrix));
  assert.deepEqual(readImportance(path), matrix);
  assert.deepEqual(importances(matrix.entries.get("blk.0.attn_q.weight")!), Float32Array.of(1 / 3, 2 / 3, 0.5 / 3));
  assert.deepEqual(importances({ sums: Float32Array.of(0, 0), count: 0 }), Float32Array.of(1, 1));
});

type Tensor = { name: string; data: Float32Array; shape?: number[]; type?: "F32" | "F16" };

async function written(
  name: string,
  tensors: readonly Tensor[],
  type: string | undefined = "imatrix",
): Promise<string> {
  const path = join(folder, name);
  const metadata = new Map(type === undefined ? [["some.key", uint32(1)]] : [["general.type", string(type)]]);
  const listed = tensors.map(({ name, data, shape = [data.length] }) => ({ name, shape, type: "F32" as const }));
  const read = (i: number) => new Uint8Array(tensors[i]!.data.buffer);
  await writeWholeFrom(path, writeGguf(metadata, listed, read));
  return path;
}

const count = { name: "a.counts", data: Float32Array.of(2) };
const sums = (...values: number[]): Tensor => ({ name: "a.in_sum2", data: Float32Array.from(values) });

test("older files of two dimensions, and those with sums of values, are read too", async () => {
  const means = { name: "a.in_sum", data: Float32Array.of(-1, 2) };
  const path = await written("two.gguf", [{ ...sums(4, 6), shape: [1, 2] }, { ...count, shape: [1, 1] }, means]);
  assert.deepEqual(readImportance(path).entries, new Map([["a", { sums: Float32Array.of(4, 6), count: 2 }]]));
});

test("what is no matrix, or a damaged one, is refused in a sentence", async () => {
  const refused = (path: string, sentence: RegExp) => assert.throws(() => readImportance(path), sentence);
  refused(await written("other.gguf", [sums(1), count], "model"), /its general\.type is "model"\. Expected "imatrix"/);
  refused(await written("empty.gguf", [count]), /is an importance matrix without entries/);
  refused(await written("lone.gguf", [sums(1)]), /it has "a\.in_sum2" without "a\.counts"/);
  refused(await written("nan.gguf", [sums(1, Number.NaN), count]), /"a\.in_sum2" holds NaN in column 1/);
  refused(await written("less.gguf", [sums(-1), count]), /"a\.in_sum2" holds -1 in column 0/);
  refused(await written("none.gguf", [sums(1), { ...count, data: Float32Array.of(-1) }]), /"a\.counts" is -1/);
  const experts = [sums(1, 2), { name: "a.counts", data: Float32Array.of(1, 1) }];
  refused(await written("experts.gguf", experts), /"a\.counts" counts 2 experts, and models here have none/);
  const cut = join(folder, "cut.gguf");
  writeFileSync(
    cut,
    ggufHeader(new Map([["general.type", string("imatrix")]]), [{ name: "a.in_sum2", shape: [64], type: "F32" }]),
  );
  refused(cut, /it may be cut short/);
  writeFileSync(join(folder, "old.dat"), Buffer.from([1, 0, 0, 0, 19, 0, 0, 0]));
  refused(
    join(folder, "old.dat"),
    /An importance matrix is read from GGUF: llama-imatrix --output-format gguf writes it/,
  );
});
