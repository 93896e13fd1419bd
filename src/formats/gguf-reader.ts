/** @file Reads GGUF. Everything a header says is checked against the file before it is used. */

import { closeSync, fstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { readAt } from "../core/reading.ts";
import { openFile } from "../core/streams.ts";
import { GGML_TYPES, type GgmlType, ggmlBytes } from "./ggml.ts";
import {
  ALIGNMENT,
  align,
  elementsOf,
  type GgufTensor,
  MAGIC,
  type Metadata,
  type MetadataValue,
  SCALARS,
  TYPES,
  type Type,
} from "./gguf.ts";

/** `begin` is a byte position in the file. */
export type GgufEntry = GgufTensor & { begin: number; bytes: number };

export type GgufFile = {
  metadata: Metadata;
  tensors: ReadonlyMap<string, GgufEntry>;
  /** One tensor's bytes. */
  read(name: string): Uint8Array<ArrayBuffer>;
  close(): void;
};

/** Far above any real header (vocabularies of a quarter of a million tokens take 15 MB), far below what exhausts memory. */
const HEADER_LIMIT = 128 * 1024 * 1024;
const TENSOR_LIMIT = 1 << 16;
const KEY_LIMIT = 1 << 16;
/** Elements of all arrays together. */
const ARRAY_LIMIT = 1 << 23;
const DIM_LIMIT = 4;
const NAME_LIMIT = 1 << 16;

const TYPE_BY_NUMBER: ReadonlyMap<number, GgmlType> = new Map(
  Object.entries(GGML_TYPES).map(([type, [number]]) => [number, type as GgmlType]),
);

/** Open a GGUF file: its header is read and checked, tensors are read when they are asked for. */
export function openGguf(path: string): GgufFile {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new DistillError(`${path} is a folder. Expected a GGUF file${inside(path)}.`);
  let file: number;
  try {
    file = openFile(path);
  } catch (error) {
    if (error instanceof DistillError) throw error;
    throw new DistillError(`Cannot open ${path}: ${(error as Error).message}.`);
  }
  try {
    const { metadata, tensors } = readHeader(path, file);
    const read = (name: string) => {
      const { begin, bytes } = tensors.get(name)!;
      return readAt(path, file, begin, bytes);
    };
    return { metadata, tensors, read, close: () => closeSync(file) };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function readHeader(path: string, file: number) {
  const bad = (what: string): never => {
    throw new DistillError(`${path} is not a valid GGUF file: ${what}.`);
  };
  const stats = fstatSync(file);
  if (!stats.isFile()) bad("it is not a file");
  const size = stats.size;
  const cursor = headerCursor(path, file, size, bad);
  const { u32, u64, text } = cursor;
  const magic = size >= 4 ? u32() : 0;
  if (magic !== MAGIC) bad(`it begins with ${hex(magic)}, not with "GGUF"`);
  const version = u32();
  if (version !== 2 && version !== 3)
    bad(`its version is ${version & 0xffff ? version : "that of a big-endian machine"}; versions 2 and 3 are read`);
  const tensorCount = u64("tensors", TENSOR_LIMIT);
  const keyCount = u64("metadata keys", KEY_LIMIT);

  const metadata = new Map<string, MetadataValue>();
  let elements = 0;
  for (let i = 0; i < keyCount; i++) {
    const key = text("a metadata key", NAME_LIMIT);
    if (metadata.has(key)) bad(`it has the key "${key}" twice`);
    metadata.set(key, readValue(key));
  }
  const entries: GgufEntry[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const name = text("a tensor's name", NAME_LIMIT);
    if (names.has(name)) bad(`it has the tensor "${name}" twice`);
    names.add(name);
    const dims = u32();
    if (dims > DIM_LIMIT) bad(`tensor "${name}" has ${dims} dimensions; at most ${DIM_LIMIT} are possible`);
    const shape = Array.from({ length: dims }, () => u64(`the shape of "${name}"`)).reverse();
    const number = u32();
    const type = TYPE_BY_NUMBER.get(number) ?? bad(`tensor "${name}" has the unknown type ${number}`);
    entries.push({ name, shape, type, begin: u64(`the offset of "${name}"`), bytes: 0 });
  }
  const declared = metadata.get("general.alignment");
  const alignment = declared?.type === "uint32" ? declared.value : ALIGNMENT;
  if (alignment === 0 || alignment & (alignment - 1) || alignment > 1 << 20)
    bad(`its alignment is ${alignment}, not a power of two`);
  const start = align(cursor.position(), alignment);
  const placed = entries.map((entry) => place(entry, start, alignment, size, bad)).sort((a, b) => a.begin - b.begin);
  for (const [i, { name, begin }] of placed.entries()) {
    const before = placed[i - 1];
    if (before && begin < before.begin + before.bytes) bad(`tensors "${before.name}" and "${name}" overlap`);
  }
  return { metadata, tensors: new Map(placed.map((entry) => [entry.name, entry])) };

  function readValue(key: string): MetadataValue {
    const type = readType(key);
    if (type === "string") return { type, value: text(`"${key}"`) };
    if (type === "array") return readArray(key);
    return { type, value: cursor.number(type) } as MetadataValue;
  }

  function readType(key: string): Type {
    const number = u32();
    return TYPES[number] ?? bad(`"${key}" has the unknown type ${number}`);
  }

  function readArray(key: string): MetadataValue {
    const of = readType(key);
    if (of === "array") return bad(`"${key}" is an array of arrays, which nothing reads`);
    const count = u64(`elements of "${key}"`, ARRAY_LIMIT - elements);
    elements += count;
    cursor.need(count * (of === "string" ? 8 : SCALARS[of][0]), `"${key}" has ${count} elements`);
    if (of === "string")
      return { type: "array", of, value: Array.from({ length: count }, () => text(`an element of "${key}"`)) };
    return { type: "array", of, value: Array.from({ length: count }, () => cursor.number(of)) } as MetadataValue;
  }
}

/** The first GGUF file of a folder, as a proposal. */
function inside(folder: string): string {
  const found = readdirSync(folder).sort();
  const file = found.find((name) => name.endsWith(".gguf"));
  return file ? `, such as ${join(folder, file)}` : "";
}

/** Where a tensor is in the file, if it can be there. */
function place(
  entry: GgufEntry,
  start: number,
  alignment: number,
  fileSize: number,
  bad: (what: string) => never,
): GgufEntry {
  const { name, shape, type, begin: offset } = entry;
  const elements = elementsOf(shape);
  if (!Number.isSafeInteger(elements) || elements > 2 ** 44)
    bad(`tensor "${name}" has the impossible shape [${shape}]`);
  const block = GGML_TYPES[type][1];
  if ((shape.at(-1) ?? 1) % block)
    bad(`tensor "${name}", ${type} [${shape}], has rows that are no multiple of ${block}`);
  const bytes = ggmlBytes(type, elements);
  if (offset % alignment) bad(`tensor "${name}" begins at offset ${offset}, no multiple of ${alignment}`);
  const begin = start + offset;
  if (begin + bytes > fileSize)
    bad(`tensor "${name}" ends at byte ${begin + bytes}, and the file at ${fileSize}; it may be cut short`);
  return { ...entry, begin, bytes };
}

const hex = (value: number) => `0x${value.toString(16).padStart(8, "0")}`;
const CHUNK = 1 << 20;

/** Reads a header from its start, a chunk at a time, and never past its end or the limit. */
function headerCursor(path: string, file: number, fileSize: number, bad: (what: string) => never) {
  let bytes = Buffer.alloc(0);
  let base = 0; // the position in the file of bytes[0]
  let at = 0;
  const need = (length: number, what: string) => {
    const position = base + at;
    if (position + length > fileSize) bad(`${what}, and the file ends at byte ${fileSize}; it may be cut short`);
    if (position + length > HEADER_LIMIT) bad(`${what}: its header is longer than ${HEADER_LIMIT} bytes`);
  };
  const take = (length: number, what: string): number => {
    if (at + length > bytes.length) {
      need(length, what);
      base += at;
      const rest = bytes.subarray(at);
      const more = readAt(
        path,
        file,
        base + rest.length,
        Math.min(fileSize - base, Math.max(CHUNK, length)) - rest.length,
      );
      bytes = Buffer.concat([rest, more]);
      at = 0;
    }
    at += length;
    return at - length;
  };
  const piece = (length: number, what: string) => {
    const from = take(length, what);
    return bytes.subarray(from, from + length);
  };
  const u32 = () => piece(4, "a number").readUInt32LE();
  const u64 = (what: string, limit = Number.MAX_SAFE_INTEGER): number => {
    const value = piece(8, what).readBigUInt64LE();
    if (value > BigInt(limit)) bad(`it claims ${value} for ${what}; at most ${limit} are read`);
    return Number(value);
  };
  const text = (what: string, limit = HEADER_LIMIT): string => {
    const length = u64(`the length of ${what}`);
    if (length > limit || length > fileSize) bad(`${what} claims ${length} bytes; the file may be cut short`);
    return piece(length, `${what} has ${length} bytes`).toString("utf8");
  };
  const number = (type: keyof typeof SCALARS): number | bigint | boolean => {
    const [size, get] = SCALARS[type];
    const from = take(size, "a value");
    return get(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), from);
  };
  return { u32, u64, text, number, need, position: () => base + at };
}
