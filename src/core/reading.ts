/** @file What is read of files that somebody else made, within limits. */

import { readFileSync, readSync, statSync } from "node:fs";
import { DistillError } from "./errors.ts";
import { readStream } from "./streams.ts";

/** Bytes of a text that came with somebody's model: the largest tokenizers take 33 MB. */
export const UNTRUSTED_BYTES = 64 * 1024 * 1024;
/** Objects and arrays in JSON: an empty one takes 3 bytes of a file and 60 of memory. */
const NODES_LIMIT = 1 << 22;
export const DEPTH_LIMIT = 128;

/** The text of a file of at most `limit` bytes, or a sentence that says what was looked for. */
export function readText(path: string, what: string, limit = Number.POSITIVE_INFINITY): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw new DistillError(`${what} not found: ${path}.`);
  if (found.isDirectory()) throw new DistillError(`${what} ${path} is a folder. Expected a file.`);
  try {
    if (!found.isFile()) return readStream(path, Math.min(limit, UNTRUSTED_BYTES));
    const { size } = found;
    if (size > limit) throw new DistillError(`${path} has ${size} bytes; at most ${limit} are read.`);
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof DistillError) throw error;
    throw new DistillError(`Cannot read ${what} ${path}: ${(error as Error).message}.`);
  }
}

/** The JSON in a file of at most `limit` bytes. */
export function readJson(path: string, what: string, limit?: number): unknown {
  const text = readText(path, what, limit);
  if (limit !== undefined) refuseHuge(text, path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DistillError(`${path} is not JSON: ${(error as Error).message}.`);
  }
}

/** Throws for JSON that is small in a file and large in memory, or deeper than what walks through it can follow. */
function refuseHuge(text: string, path: string): void {
  let [nodes, depth, inText] = [0, 0, false];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (inText) {
      if (c === "\\") i++;
      else if (c === '"') inText = false;
    } else if (c === '"') inText = true;
    else if (c === "]" || c === "}") depth--;
    else if (c === "[" || c === "{") {
      if (++nodes > NODES_LIMIT) throw new DistillError(`${path} holds more than ${NODES_LIMIT} objects and arrays.`);
      if (++depth > DEPTH_LIMIT) throw new DistillError(`${path} is nested more than ${DEPTH_LIMIT} deep.`);
    }
  }
}

/** `length` bytes of an open file from `position`; `path` names it in errors. */
export function readAt(path: string, file: number, position: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const n = readSync(file, bytes, done, Math.min(length - done, 1 << 30), position + done);
    if (n === 0) throw new DistillError(`${path} ended ${length - done} bytes early while it was read.`);
    done += n;
  }
  return bytes;
}
