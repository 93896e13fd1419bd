/** @file The bytes and lines of a file of text, whatever it is packed in. What is not UTF-8 is refused, with its line. */

import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { Decompress } from "fzstd";
import { DistillError } from "../../core/errors.ts";
import { packedAs, requireReadable } from "./magic.ts";

const PIECE = 1 << 20;
const MAX_LINE = 256 << 20; // bytes

/** What the ends of the names of compressed files are. */
const PACKED = /\.(gz|zst)$/i;

/** A name without what a compression adds to it. */
export const unpackedName = (path: string): string => path.replace(PACKED, "");

/** The lines of a file, numbered from 1, many at a time, without their ends. */
export async function* lineBlocks(path: string): AsyncGenerator<{ first: number; lines: string[] }> {
  let first = 1;
  for await (const { text } of textBlocks(path)) {
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop(); // a block ends with a line
    yield { first, lines };
    first += lines.length;
  }
}

/** The text of a file in blocks of whole lines, and how many lines come before each. */
export async function* textBlocks(path: string): AsyncGenerator<{ text: string; lines: number }> {
  let lines = 0;
  let rest: Uint8Array[] = [];
  let length = 0;
  let begun = false;
  const decoded = (block: Buffer): { text: string; lines: number } => {
    const bytes = begun ? block : beginning(path, block);
    begun = true;
    if (!isUtf8(bytes)) throw notUtf8(path, bytes, lines);
    const found = { text: bytes.toString("utf8"), lines };
    for (const byte of bytes) if (byte === NEWLINE) lines++;
    return found;
  };
  for await (const piece of unpacked(path)) {
    const end = piece.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      rest.push(piece);
      length += piece.length;
      if (length > MAX_LINE) throw new DistillError(`${path} has a line of more than ${MAX_LINE} bytes.`);
      continue;
    }
    yield decoded(Buffer.concat([...rest, piece.subarray(0, end)]));
    rest = end < piece.length ? [piece.subarray(end)] : [];
    length = piece.length - end;
  }
  if (length > 0) yield decoded(Buffer.concat(rest));
}

const NEWLINE = 0x0a;

/** A file's first block without the mark that says UTF-8; the mark or the look of UTF-16 is refused. */
function beginning(path: string, block: Buffer): Buffer {
  requireReadable(path, block); // what was packed in it
  const [a, b, c] = block;
  const zeros = block.subarray(0, 256).filter((byte) => byte === 0).length;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff) || zeros > 16)
    throw new DistillError(
      `${path} is not UTF-8: it looks like UTF-16. Save it as UTF-8, as with iconv -f UTF-16 -t UTF-8.`,
    );
  return a === 0xef && b === 0xbb && c === 0xbf ? block.subarray(3) : block;
}

function notUtf8(path: string, block: Buffer, before: number): DistillError {
  let line = before;
  for (let at = 0; at < block.length; ) {
    const found = block.indexOf(NEWLINE, at);
    const end = found < 0 ? block.length : found;
    line++;
    if (!isUtf8(block.subarray(at, end))) break;
    at = end + 1;
  }
  return new DistillError(
    `${path}, line ${line}: not UTF-8. Save the file as UTF-8, as with iconv -f LATIN1 -t UTF-8 where it is Latin-1.`,
  );
}

/** The bytes of a file, of a compressed one those that are packed in it. */
export async function* unpacked(path: string): AsyncGenerator<Buffer> {
  const stream = createReadStream(path, { highWaterMark: PIECE });
  const pieces: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
  try {
    const { value: first, done } = await pieces.next();
    if (done) return;
    const all = whole(first, pieces);
    requireReadable(path, first);
    const packed = packedAs(first);
    if (packed === "gzip") yield* pipeline(all, createGunzip({ chunkSize: PIECE }), () => {}) as AsyncIterable<Buffer>;
    else if (packed === "zstd") yield* unzstd(all);
    else yield* all;
  } catch (error) {
    if (error instanceof DistillError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new DistillError(
      typeof code !== "string" || code.startsWith("Z_")
        ? `${path} is cut or damaged: ${message}. Get it whole.`
        : `Cannot read Dataset ${path}: ${message}.`,
    );
  } finally {
    stream.destroy();
  }
}

async function* whole(first: Buffer, others: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await others.next(); !next.done; next = await others.next()) yield next.value;
}

/** What a few bytes of zstd can become is much, so few are given at once. */
const ZSTD_PIECE = 1 << 12;

async function* unzstd(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const made: Uint8Array[] = [];
  const decompress = new Decompress((bytes) => made.push(bytes));
  function* push(piece: Uint8Array, final: boolean) {
    decompress.push(piece, final);
    for (const { buffer, byteOffset, length } of made.splice(0)) yield Buffer.from(buffer, byteOffset, length);
  }
  for await (const piece of pieces)
    for (let at = 0; at < piece.length; at += ZSTD_PIECE) yield* push(piece.subarray(at, at + ZSTD_PIECE), false);
  yield* push(new Uint8Array(0), true);
}
