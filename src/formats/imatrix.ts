/** @file Importance matrices as llama-imatrix keeps them in GGUF: for each product with a matrix, Σ x² of each column that it reads. */

import { DistillError } from "../core/errors.ts";
import { type GgufTensor, string, strings, uint32, writeGguf } from "./gguf.ts";
import { type GgufEntry, type GgufFile, openGguf } from "./gguf-reader.ts";

/** Σ x² of each column over so many tokens. */
export type ColumnSums = { sums: Float32Array; count: number };

export type ImportanceMatrix = {
  /** By llama.cpp's name of the matrix that reads them. */
  entries: ReadonlyMap<string, ColumnSums>;
  /** What the tokens are of. */
  datasets: readonly string[];
  /** How many chunks of text the tokens were. */
  chunk_count: number;
};

/** llama-imatrix's chunks unless it is told otherwise, in tokens. */
export const CHUNK_SIZE = 512;

/** The mean of x² of each column, as llama-quantize takes it; 1 where nothing was counted. */
export const importances = ({ sums, count }: ColumnSums): Float32Array =>
  count > 0 ? sums.map((sum) => sum / count) : new Float32Array(sums.length).fill(1);

const [SUMS, COUNTS] = [".in_sum2", ".counts"];

/** The bytes of a file, piece by piece; entries come by their names. */
export function writeImportance({ entries, datasets, chunk_count }: ImportanceMatrix): AsyncGenerator<Uint8Array> {
  const metadata = new Map([
    ["general.type", string("imatrix")],
    ["imatrix.datasets", strings(datasets)],
    ["imatrix.chunk_count", uint32(chunk_count)],
    ["imatrix.chunk_size", uint32(CHUNK_SIZE)],
  ]);
  const tensors = [...entries.keys()].sort().flatMap((name): (GgufTensor & { data: Float32Array })[] => {
    const { sums, count } = entries.get(name)!;
    return [
      { name: `${name}${SUMS}`, shape: [sums.length], type: "F32", data: sums },
      { name: `${name}${COUNTS}`, shape: [1], type: "F32", data: Float32Array.of(count) },
    ];
  });
  return writeGguf(metadata, tensors, (i) => {
    const { buffer, byteOffset, byteLength } = tensors[i]!.data;
    return new Uint8Array(buffer, byteOffset, byteLength);
  });
}

/** Read a file of llama-imatrix, or one of ours. Throws a DistillError where it is damaged, or is something else. */
export function readImportance(path: string): ImportanceMatrix {
  const file = opened(path);
  try {
    const { metadata } = file;
    const type = metadata.get("general.type")?.value;
    if (type !== "imatrix")
      throw new DistillError(
        `${path} is no importance matrix: its general.type is ${type === undefined ? "not given" : `"${type}"`}. Expected "imatrix", as llama-imatrix writes it.`,
      );
    const entries = new Map<string, ColumnSums>();
    for (const { name } of file.tensors.values())
      if (name.endsWith(SUMS)) entries.set(name.slice(0, -SUMS.length), columnsOf(path, file, name));
    if (entries.size === 0) throw new DistillError(`${path} is an importance matrix without entries. Make it again.`);
    const datasets = metadata.get("imatrix.datasets");
    const chunks = metadata.get("imatrix.chunk_count");
    return {
      entries,
      datasets: datasets?.type === "array" && datasets.of === "string" ? datasets.value : [],
      chunk_count: chunks?.type === "uint32" ? chunks.value : 0,
    };
  } finally {
    file.close();
  }
}

function opened(path: string): GgufFile {
  try {
    return openGguf(path);
  } catch (error) {
    if (!(error instanceof DistillError && /it begins with 0x/.test(error.message))) throw error;
    throw new DistillError(
      `${error.message} An importance matrix is read from GGUF: llama-imatrix --output-format gguf writes it.`,
    );
  }
}

function columnsOf(path: string, file: GgufFile, name: string): ColumnSums {
  const bad = (why: string): never => {
    throw new DistillError(`${path} cannot be used as an importance matrix: ${why}.`);
  };
  const numbers = (entry: GgufEntry | undefined, wanted: string): Float32Array => {
    if (!entry) return bad(`it has "${name}" without "${wanted}"`);
    if (entry.type !== "F32") return bad(`"${entry.name}" is ${entry.type}, not F32`);
    return new Float32Array(file.read(entry.name).buffer);
  };
  const counts = `${name.slice(0, -SUMS.length)}${COUNTS}`;
  const sums = numbers(file.tensors.get(name), name);
  const counted = numbers(file.tensors.get(counts), counts);
  if (counted.length !== 1) bad(`"${counts}" counts ${counted.length} experts, and models here have none`);
  const [count = 0] = counted;
  if (!Number.isFinite(count) || count < 0) bad(`"${counts}" is ${count}`);
  const wrong = sums.findIndex((x) => !(x >= 0 && Number.isFinite(x)));
  if (wrong >= 0) bad(`"${name}" holds ${sums[wrong]} in column ${wrong}, and expected are sums of squares`);
  return { sums, count };
}
