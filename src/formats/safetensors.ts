/** @file safetensors: a JSON header, then the tensors' bytes. Headers are checked before anything is allocated for them. */

import { closeSync, fstatSync } from "node:fs";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { readAt } from "../core/reading.ts";
import { openFile } from "../core/streams.ts";

const SIZES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;
export type SafetensorsType = keyof typeof SIZES;

export type Entry = { dtype: SafetensorsType; shape: number[]; begin: number; end: number };

/** Far above any real header (a hundred thousand tensors), far below what could exhaust memory once it is parsed. */
const HEADER_LIMIT = 16 * 1024 * 1024;

const count = z.int().nonnegative();
const EntrySchema = z.object({
  dtype: z.enum(Object.keys(SIZES) as [SafetensorsType]),
  shape: z.array(count).max(8),
  data_offsets: z.tuple([count, count]),
});

/** An open safetensors file. `entries` has byte positions in the file; `read` returns one tensor's bytes. */
export type SafetensorsFile = {
  entries: ReadonlyMap<string, Entry>;
  read(name: string): Uint8Array<ArrayBuffer>;
  close(): void;
};

export function openSafetensors(path: string): SafetensorsFile {
  let file: number;
  try {
    file = openFile(path);
  } catch (error) {
    if (error instanceof DistillError) throw error;
    throw new DistillError(`Cannot open ${path}: ${(error as Error).message}.`);
  }
  try {
    const entries = readHeader(path, file, fstatSync(file).size);
    const read = (name: string) => {
      const { begin, end } = entries.get(name)!;
      return readAt(path, file, begin, end - begin);
    };
    return { entries, read, close: () => closeSync(file) };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function readHeader(path: string, file: number, fileSize: number): Map<string, Entry> {
  const bad = (what: string): never => {
    throw new DistillError(`${path} is not a valid safetensors file: ${what}.`);
  };
  if (fileSize < 8) bad(`it has ${fileSize} bytes, and the length of the header takes 8`);
  const length = Number(new DataView(readAt(path, file, 0, 8).buffer).getBigUint64(0, true));
  if (length > fileSize - 8)
    bad(`its header claims ${length} bytes, and ${fileSize - 8} follow; the file may be cut short`);
  if (length > HEADER_LIMIT) bad(`its header has ${length} bytes; at most ${HEADER_LIMIT} are read`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(readAt(path, file, 8, length)));
  } catch (error) {
    bad(`its header is not JSON (${(error as Error).message})`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) bad("its header is not a JSON object");
  const start = 8 + length;
  const entries: [string, Entry][] = [];
  for (const [name, raw] of Object.entries(header as object)) {
    if (name === "__metadata__") continue;
    const parsed = EntrySchema.safeParse(raw);
    if (!parsed.success) return bad(`tensor "${name}": ${parsed.error.issues[0]!.message}`);
    const { dtype, shape, data_offsets } = parsed.data;
    const [begin, end] = data_offsets;
    const expected = shape.reduce((a, b) => a * b, SIZES[dtype]);
    if (end - begin !== expected)
      bad(
        `tensor "${name}", ${dtype} [${shape}], needs ${expected} bytes, and its offsets ${begin} to ${end} hold ${end - begin}`,
      );
    if (start + end > fileSize)
      bad(`tensor "${name}" ends at byte ${start + end}, and the file at ${fileSize}; it may be cut short`);
    entries.push([name, { dtype, shape, begin: start + begin, end: start + end }]);
  }
  entries.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  for (const [i, [name, { begin }]] of entries.entries())
    if (i > 0 && begin < entries[i - 1]![1].end) bad(`tensors "${entries[i - 1]![0]}" and "${name}" overlap`);
  return new Map(entries);
}

/** The header of a safetensors file that holds `tensors` in this order. The bytes follow it, without gaps. */
export function safetensorsHeader(
  tensors: readonly { name: string; dtype: SafetensorsType; shape: readonly number[] }[],
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = offset + shape.reduce((a, b) => a * b, SIZES[dtype]);
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}
