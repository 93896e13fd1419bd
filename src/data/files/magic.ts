/** @file What files are by how they begin, whatever they are called. */

import { closeSync, fstatSync } from "node:fs";
import { DistillError } from "../../core/errors.ts";
import { readAt } from "../../core/reading.ts";
import { openFile } from "../../core/streams.ts";

type Magic = { name: string; bytes: readonly number[] | string; at?: number };

const starts = (block: Uint8Array, { bytes, at = 0 }: Magic): boolean =>
  [...(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes)].every((byte, i) => block[at + i] === byte);

/** How many bytes of a file are looked at. */
const LOOKED_AT = 512;

/** What is unpacked while it is read. */
const PACKED: Magic[] = [
  { name: "gzip", bytes: [0x1f, 0x8b] },
  { name: "zstd", bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  // a frame to be passed over, with which parallel compressors begin
  ...Array.from({ length: 16 }, (_, i) => ({ name: "zstd", bytes: [0x50 + i, 0x2a, 0x4d, 0x18] })),
];

/** How a file is packed that begins so, where it can be unpacked. */
export const packedAs = (block: Uint8Array): string | undefined => PACKED.find((magic) => starts(block, magic))?.name;

const REPACK = "Pack it as .gz or .zst, or unpack it";
const TABLE = "Write its rows as .csv, .jsonl or .parquet";

/** What is known and not read, and what to do about it. */
const OTHERS: (Magic & { cure: string })[] = [
  { name: "packed as bzip2", bytes: "1AY&SY", at: 4, cure: REPACK },
  { name: "packed as xz", bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a], cure: REPACK },
  { name: "packed as lz4", bytes: [0x04, 0x22, 0x4d, 0x18], cure: REPACK },
  { name: "packed as 7z", bytes: [0x37, 0x7a, 0xbc, 0xaf], cure: REPACK },
  { name: "a tar archive", bytes: "ustar", at: 257, cure: "Unpack it, and give the files in it" },
  { name: "an Excel workbook", bytes: [0xd0, 0xcf, 0x11, 0xe0], cure: TABLE },
  { name: "a SQLite database", bytes: "SQLite format 3", cure: TABLE },
  { name: "an HDF5 file", bytes: [0x89, 0x48, 0x44, 0x46], cure: TABLE },
  { name: "a NumPy array", bytes: [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59], cure: TABLE },
  { name: "an Avro file", bytes: [0x4f, 0x62, 0x6a, 0x01], cure: TABLE },
  ...[2, 3, 4, 5].map((version) => ({
    name: "a pickle of Python's, which is a program",
    bytes: [0x80, version],
    cure: TABLE,
  })),
];

const ZIP: Magic = { name: "zip", bytes: [0x50, 0x4b, 0x03, 0x04] };
const POINTER: Magic = { name: "Git LFS", bytes: "version https://git-lfs.github.com/" };

/** Throw where a file that begins so is of a kind that is known and not read. */
export function requireReadable(path: string, block: Uint8Array): void {
  const refuse = (what: string, cure: string) => {
    throw new DistillError(`${path} is ${what}, which is not read. ${cure}.`);
  };
  const other = OTHERS.find((magic) => starts(block, magic));
  if (other) refuse(other.name, other.cure);
  if (starts(block, ZIP))
    if (/\.(xlsx|xlsm|ods)$/i.test(path)) refuse("an Excel workbook", TABLE);
    else refuse("packed as zip", REPACK);
  if (starts(block, POINTER))
    throw new DistillError(`${path} is a pointer of Git LFS and not the file itself. Fetch it with git lfs pull.`);
}

/** Files of columns, by how they begin and end. */
const COLUMNS: { name: "parquet" | "arrow"; begins: string; ends: string }[] = [
  { name: "parquet", begins: "PAR1", ends: "PAR1" },
  { name: "arrow", begins: "ARROW1", ends: "ARROW1" },
  { name: "arrow", begins: "FEA1", ends: "FEA1" },
];

/** Which kind of columns a file holds, whatever it is called. */
export function columnsIn(path: string): "parquet" | "arrow" | undefined {
  const file = openFile(path);
  try {
    const { size } = fstatSync(file);
    const block = readAt(path, file, 0, Math.min(LOOKED_AT, size));
    requireReadable(path, block);
    const end = Buffer.from(readAt(path, file, Math.max(0, size - 6), Math.min(6, size))).toString("latin1");
    return COLUMNS.find(({ begins, ends }) => starts(block, { name: begins, bytes: begins }) && end.endsWith(ends))
      ?.name;
  } finally {
    closeSync(file);
  }
}
