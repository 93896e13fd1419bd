/**
 * @file Files that only grow, and know of every piece whether it is what was written. checksums.jsonl has a line for each
 * piece, written once the piece is on the disk: what a line names and the file has not is damage, what the file has
 * behind the last line was being written when the process was killed. Nothing that was written is ever changed: damaged
 * pieces are named as such and passed over.
 */

import { createHash } from "node:crypto";
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { makeFolder, syncFolder, writeWhole } from "../core/files.ts";
import { readAt } from "../core/reading.ts";
import { openFile } from "../core/streams.ts";
import {
  CHECKSUMS,
  dataFilesIn,
  type Extent,
  encodeLine,
  extentsOf,
  FILE,
  type Line,
  type Piece,
  piecesOf,
  readLines,
  writeLine,
} from "./checksums.ts";
import type { FileHashes } from "./hashes.ts";

export type AppendLog = {
  /** The pieces that can be read, in their order. */
  readonly extents: readonly Extent[];
  /** Rows that were ever written, damaged ones too. */
  readonly rows: number;
  /** Rows that cannot be read any more. */
  readonly damaged: number;
  /** The bytes in the newest file; undefined where the next piece begins a file. */
  readonly length: number | undefined;
  /** Begin another file. */
  next(): void;
  /** Append a piece. When this returns it is on the disk; where it throws, the file is as it was. */
  append(bytes: Uint8Array, rows: number): void;
  close(): void;
};

/** The whole pieces behind `offset` in a file. */
export type Scan = (path: string, offset: number) => { bytes: number; rows: number }[];

/** Whether a folder is such a log. */
export const isAppendLog = (folder: string): boolean => existsSync(join(folder, CHECKSUMS));

/** Whether a folder is such a log, or was one before it lost its checksums. */
export const wasAppendLog = (folder: string): boolean =>
  isAppendLog(folder) || (statSync(folder).isDirectory() && dataFilesIn(folder).length > 0);

/**
 * The pieces of a log for a reader, who may come while it is written. Pieces are compared when they are read; with `scan`
 * those are missed of which no line speaks any more.
 */
export function readExtents(folder: string, scan: Scan = () => []): Extent[] {
  const sizes = dataFilesIn(folder).map((file) => [file, statSync(join(folder, file)).size] as const);
  const { lines, lost: bad } = readLines(folder); // after the sizes: what is written now has no line yet, or is not counted
  const lost = bad ?? (piecesWithoutLine(folder, sizes, lines, scan) > 1 ? "was cut" : undefined);
  if (lost)
    throw new DistillError(`${join(folder, CHECKSUMS)} ${lost}. The command that wrote it looks at what can be read.`);
  return extentsOf(lines).extents;
}

/** The bytes of a piece, compared with what was written unless its writer has just done so. */
export function readExtent(
  folder: string,
  { file, offset, bytes, sha256 }: Extent,
  compare = true,
): Uint8Array<ArrayBuffer> {
  const path = join(folder, file);
  const content = bytesOf(path, offset, bytes);
  if (content && (!compare || hashOf(content) === sha256)) return content;
  throw new DistillError(
    `${path} is damaged: the ${bytes} bytes from ${offset} are not what was written. The command that wrote it says what is lost, and goes on with what can be read.`,
  );
}

/** What is wrong with a log that once held `rows` rows; files that were not touched since are not read again. */
export function logDamage(folder: string, rows: number, { checked }: Pick<FileHashes, "checked">): string | undefined {
  const { lines, lost } = readLines(folder);
  if (lost) return `${join(folder, CHECKSUMS)} ${lost}`;
  const { extents } = extentsOf(lines);
  const short = extents.find(({ file, offset, bytes }) => {
    const path = join(folder, file);
    return !existsSync(path) || statSync(path).size < offset + bytes;
  });
  if (short) return `${join(folder, short.file)} was cut`;
  for (const file of new Set(extents.map((extent) => extent.file))) {
    const path = join(folder, file);
    const damage = checked(path, () => {
      const bad = extents.find((extent) => extent.file === file && !isWhole(path, extent));
      return bad && `${path} is not what was written: the ${bad.bytes} bytes from ${bad.offset} differ`;
    });
    if (damage) return damage;
  }
  const there = extents.reduce((sum, extent) => sum + extent.rows, 0);
  return there < rows ? `${folder} has ${there} rows, and ${rows} were kept` : undefined;
}

/** Open a log to append to, new or as an earlier process left it. `told` hears what was found wrong. */
export function openAppendLog(folder: string, scan: Scan, told: (sentence: string) => void): AppendLog {
  const fresh = !existsSync(folder);
  makeFolder(folder);
  if (fresh) syncFolder(dirname(folder));
  const path = join(folder, CHECKSUMS);
  const { lines, lost, torn } = readLines(folder);
  const found = unknownPieces(folder, lines, scan);
  // one piece without a line was under way when the process was killed; more had theirs, and lost it
  if (!lost && !torn && found.length === 1) {
    const [{ file, offset }] = found as [Piece];
    cut(join(folder, file), offset);
    found.length = 0;
  }
  if (lost || found.length > 1) told(`${path} ${lost ?? "was cut"}. Its lines are made again from what can be read.`);
  lines.push(...found);
  if (lost || torn) writeWhole(path, lines.map(encodeLine).join(""));
  const log = openSync(path, "a");
  if (!lost && !torn) for (const line of found) writeLine(log, line);

  // what is not as its line says
  for (const { file, offset, bytes, rows, sha256 } of extentsOf(lines).extents) {
    const content = bytesOf(join(folder, file), offset, bytes);
    if (content && hashOf(content) === sha256) continue;
    told(
      `${join(folder, file)} is damaged: the ${bytes} bytes from ${offset} are not what was written${rows > 0 ? `, and ${rows} rows are lost` : "; without them nothing of the file can be read"}. The file stays as it is.`,
    );
    const line = { damaged: file, offset };
    lines.push(line);
    writeLine(log, line);
  }

  const { extents, damaged, broken, ...counted } = extentsOf(lines);
  let { rows } = counted;
  const files = dataFilesIn(folder);
  let current = files.at(-1);
  let length = current === undefined ? undefined : statSync(join(folder, current)).size;
  let data: number | undefined;
  // past those that are gone, too: their places are damaged ones
  const named = [...files, ...piecesOf(lines).map(({ file }) => file)];
  let number = named.reduce((most, file) => Math.max(most, Number(FILE.exec(file)![1]) + 1), 0);
  // behind damage a new file begins, so that no two pieces have one place
  if ([...broken].some((file) => current !== undefined && file >= current)) length = undefined;
  const release = () => {
    if (data !== undefined) closeSync(data);
    data = undefined;
  };
  return {
    extents,
    damaged,
    get rows() {
      return rows;
    },
    get length() {
      return length;
    },
    next() {
      release();
      length = undefined;
    },
    append(bytes, count) {
      if (length === undefined || current === undefined) {
        release();
        current = `data-${String(number++).padStart(5, "0")}.arrow`;
        length = 0;
      }
      const place = join(folder, current);
      try {
        if (data === undefined) {
          const there = existsSync(place);
          data = openSync(place, there ? "r+" : "w");
          if (!there) syncFolder(folder);
        }
        for (let done = 0; done < bytes.length; )
          done += writeSync(data, bytes, done, bytes.length - done, length + done);
        fsyncSync(data);
        const piece = { file: current, offset: length, bytes: bytes.length, rows: count, sha256: hashOf(bytes) };
        writeLine(log, piece);
        extents.push({ ...piece, first: rows });
        rows += count;
      } catch (error) {
        if (data !== undefined && fstatSync(data).size > length) ftruncateSync(data, length);
        throw new DistillError(
          `Cannot write ${place}: ${(error as Error).message}. What was there before is kept; the same command continues.`,
        );
      }
      length += bytes.length;
    },
    close() {
      release();
      try {
        fsyncSync(log);
      } finally {
        closeSync(log);
      }
    },
  };
}

/** Whole pieces behind those of which lines speak: one may be under way, or was; more had their lines. */
function piecesWithoutLine(
  folder: string,
  sizes: readonly (readonly [file: string, size: number])[],
  lines: readonly Line[],
  scan: Scan,
): number {
  const ends = new Map<string, number>();
  for (const { file, offset, bytes } of piecesOf(lines)) ends.set(file, Math.max(ends.get(file) ?? 0, offset + bytes));
  let found = 0;
  for (const [file, size] of sizes) {
    let end = ends.get(file) ?? 0;
    if (size <= end) continue;
    for (const { bytes } of scan(join(folder, file), end)) {
      end += bytes;
      if (end <= size) found++;
    }
  }
  return found;
}

/** Whole pieces in files of which no line speaks. What is half written at the end of the newest is cut off. */
function unknownPieces(folder: string, lines: readonly Line[], scan: Scan): Piece[] {
  const found: Piece[] = [];
  const files = dataFilesIn(folder);
  for (const file of files) {
    const path = join(folder, file);
    const { size } = statSync(path);
    const known = new Map(
      piecesOf(lines).flatMap((piece) => (piece.file === file ? [[piece.offset, piece.bytes]] : [])),
    );
    for (let offset = 0; offset < size; ) {
      const bytes = known.get(offset);
      if (bytes !== undefined) {
        offset += bytes;
        continue;
      }
      const end = Math.min(size, ...[...known.keys()].filter((start) => start > offset));
      const before = offset;
      for (const { bytes, rows } of scan(path, offset)) {
        if (offset + bytes > end) break;
        found.push({ file, offset, bytes, rows, sha256: hashOf(bytesOf(path, offset, bytes)!) });
        offset += bytes;
      }
      if (offset < end && end < size) offset = end;
      else if (offset < end && file === files.at(-1)) {
        cut(path, offset);
        break;
      } else if (offset === before) break;
    }
  }
  return found;
}

function isWhole(path: string, { offset, bytes, sha256 }: Extent): boolean {
  const content = bytesOf(path, offset, bytes);
  return content !== undefined && hashOf(content) === sha256;
}

const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Some bytes of a file; undefined where it does not have them. */
function bytesOf(path: string, offset: number, bytes: number): Uint8Array<ArrayBuffer> | undefined {
  if (!existsSync(path) || statSync(path).size < offset + bytes) return undefined;
  const file = openFile(path);
  try {
    return readAt(path, file, offset, bytes);
  } finally {
    closeSync(file);
  }
}

function cut(path: string, length: number): void {
  const file = openSync(path, "r+");
  try {
    ftruncateSync(file, length);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
