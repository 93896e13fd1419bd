/** @file GGUF: typed metadata, then tensors. What a file holds, and how it is written. */

import { GGML_TYPES, type GgmlType, ggmlBytes } from "./ggml.ts";

/** Value types by their number in a file. */
export const TYPES = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
] as const;
export type Type = (typeof TYPES)[number];
type NumberType = Exclude<Type, "string" | "bool" | "array" | "uint64" | "int64">;

export type MetadataValue =
  | { type: NumberType; value: number }
  | { type: "uint64" | "int64"; value: bigint }
  | { type: "bool"; value: boolean }
  | { type: "string"; value: string }
  | { type: "array"; of: NumberType; value: ArrayLike<number> }
  | { type: "array"; of: "uint64" | "int64"; value: readonly bigint[] }
  | { type: "array"; of: "bool"; value: readonly boolean[] }
  | { type: "array"; of: "string"; value: readonly string[] };
export type Metadata = ReadonlyMap<string, MetadataValue>;

const scalar =
  <T extends NumberType>(type: T) =>
  (value: number): MetadataValue => ({ type, value });
export const uint32 = scalar("uint32");
export const float32 = scalar("float32");
export const bool = (value: boolean): MetadataValue => ({ type: "bool", value });
export const string = (value: string): MetadataValue => ({ type: "string", value });
export const strings = (value: readonly string[]): MetadataValue => ({ type: "array", of: "string", value });
export const int32s = (value: readonly number[]): MetadataValue => ({ type: "array", of: "int32", value });
export const float32s = (value: ArrayLike<number>): MetadataValue => ({ type: "array", of: "float32", value });

/** A tensor's shape is row-major, the longest stride first, as everywhere else here; a file has it the other way round. */
export type GgufTensor = { name: string; shape: readonly number[]; type: GgmlType };

export const MAGIC = 0x46554747; // "GGUF"
const VERSION = 3;
export const ALIGNMENT = 32;
export const elementsOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
export const align = (position: number, alignment: number) => Math.ceil(position / alignment) * alignment;

/** A file's bytes piece by piece: what comes before the tensors, then each as `read` gives it. */
export async function* writeGguf(
  metadata: Metadata,
  tensors: readonly GgufTensor[],
  read: (index: number) => Uint8Array | Promise<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const header = ggufHeader(metadata, tensors);
  yield header;
  for (const [i, { name, type, shape }] of tensors.entries()) {
    const bytes = await read(i);
    const expected = ggmlBytes(type, elementsOf(shape));
    if (bytes.length !== expected)
      throw new Error(`Tensor "${name}", ${type} [${shape}], takes ${expected} bytes, not ${bytes.length}.`);
    yield bytes;
    yield new Uint8Array(align(bytes.length, ALIGNMENT) - bytes.length);
  }
}

/** Metadata and the list of tensors, padded to where the first tensor begins. */
export function ggufHeader(metadata: Metadata, tensors: readonly GgufTensor[]): Uint8Array {
  let [bytes, length] = [Buffer.alloc(1 << 16), 0];
  /** Where so many bytes more are to be written. */
  const room = (size: number) => {
    if (length + size > bytes.length) bytes = Buffer.concat([bytes], 2 * bytes.length + size);
    length += size;
    return length - size;
  };
  const put = (size: number, set: (view: DataView) => void) => {
    const at = room(size);
    set(new DataView(bytes.buffer, bytes.byteOffset + at, size));
  };
  const u32 = (value: number) => put(4, (view) => view.setUint32(0, value, true));
  const u64 = (value: number) => put(8, (view) => view.setBigUint64(0, BigInt(value), true));
  const text = (value: string) => {
    const size = Buffer.byteLength(value);
    u64(size);
    const at = room(size); // which may be in another buffer
    bytes.write(value, at);
  };
  const one = (type: Type, value: number | bigint | boolean | string) => {
    if (typeof value === "string") return text(value);
    const [size, , set] = SCALARS[type as keyof typeof SCALARS];
    put(size, (view) => set(view, value));
  };
  u32(MAGIC);
  u32(VERSION);
  u64(tensors.length);
  u64(metadata.size);
  for (const [key, entry] of metadata) {
    text(key);
    u32(TYPES.indexOf(entry.type));
    if (entry.type === "array") {
      u32(TYPES.indexOf(entry.of));
      u64(entry.value.length);
      for (let i = 0; i < entry.value.length; i++) one(entry.of, entry.value[i]!);
    } else one(entry.type, entry.value);
  }
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    text(name);
    u32(shape.length);
    for (const dim of [...shape].reverse()) u64(dim);
    u32(GGML_TYPES[type][0]);
    u64(offset);
    offset = align(offset + ggmlBytes(type, elementsOf(shape)), ALIGNMENT);
  }
  room(align(length, ALIGNMENT) - length);
  return bytes.subarray(0, length);
}

type Get = (view: DataView, at: number) => number | bigint | boolean;
type Set = (view: DataView, value: number | bigint | boolean) => void;

/** The bytes of a value, how to read one and how to write one. */
export const SCALARS: Record<Exclude<Type, "string" | "array">, [bytes: number, get: Get, set: Set]> = {
  uint8: [1, (view, at) => view.getUint8(at), (view, value) => view.setUint8(0, value as number)],
  int8: [1, (view, at) => view.getInt8(at), (view, value) => view.setInt8(0, value as number)],
  uint16: [2, (view, at) => view.getUint16(at, true), (view, value) => view.setUint16(0, value as number, true)],
  int16: [2, (view, at) => view.getInt16(at, true), (view, value) => view.setInt16(0, value as number, true)],
  uint32: [4, (view, at) => view.getUint32(at, true), (view, value) => view.setUint32(0, value as number, true)],
  int32: [4, (view, at) => view.getInt32(at, true), (view, value) => view.setInt32(0, value as number, true)],
  float32: [4, (view, at) => view.getFloat32(at, true), (view, value) => view.setFloat32(0, value as number, true)],
  bool: [1, (view, at) => view.getUint8(at) !== 0, (view, value) => view.setUint8(0, Number(value))],
  uint64: [8, (view, at) => view.getBigUint64(at, true), (view, value) => view.setBigUint64(0, value as bigint, true)],
  int64: [8, (view, at) => view.getBigInt64(at, true), (view, value) => view.setBigInt64(0, value as bigint, true)],
  float64: [8, (view, at) => view.getFloat64(at, true), (view, value) => view.setFloat64(0, value as number, true)],
};
