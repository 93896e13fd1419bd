/** @file What is no file: pipes and devices, which may have no end, or nobody at the other one. */

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { resolve } from "node:path";
import { DistillError } from "./errors.ts";

/** Whether what lies at a path takes what is written and keeps none of it, such as /dev/stdout: no file may take its place. */
export function isStream(path: string): boolean {
  if (/^\/dev\/(std(out|err)|fd\/\d+)$|^\/proc\/(self|\d+)\/fd\/\d+$/.test(resolve(path))) return true; // may lead to a file
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && !found.isFile() && !found.isDirectory();
}

/** Open a file to read it. A pipe or a device, which may have no end, is refused. */
export function openFile(path: string): number {
  const file = openSync(path, constants.O_RDONLY | NOT_WAITING);
  const found = fstatSync(file);
  if (found.isFile()) return file;
  closeSync(file);
  throw new DistillError(`${path} is ${kindOf(found)}. Expected a file.`);
}

/** The bytes of a file that is no pipe and no device. */
export function readFile(path: string): Buffer {
  const file = openFile(path);
  try {
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

const kindOf = (found: Stats) => (found.isDirectory() ? "a folder" : found.isFIFO() ? "a pipe" : "a device");

/** Opening a pipe waits for its other end, which may never come; Windows has no such pipes. */
const NOT_WAITING = constants.O_NONBLOCK ?? 0;
/** ms that the other end of a pipe has to be opened. */
const MEETING = 1000;
/** ms after which who writes to a pipe and says nothing is taken for silent. */
const SILENCE = 60_000;

/** Wait where nothing else is to go on. */
export const wait = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Open what is no file to write to it, once somebody reads there. */
export function openStream(path: string): number {
  for (const since = performance.now(); statSync(path, { throwIfNoEntry: false })?.isFIFO(); wait(20)) {
    try {
      const met = openSync(path, constants.O_WRONLY | NOT_WAITING);
      try {
        return openSync(path, "a");
      } finally {
        closeSync(met);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
      if (performance.now() - since > MEETING) throw new DistillError(`${path} is a pipe, and nobody reads from it.`);
    }
  }
  return openSync(path, "a");
}

const heardOf = new Map<string, string>();

/** What comes from a pipe or a device, as far as it goes. It comes once: who asks again is given the same. */
export function readStream(path: string, limit: number): string {
  const text = heardOf.get(path) ?? streamed(path, limit);
  heardOf.set(path, text);
  return text;
}

function streamed(path: string, limit: number): string {
  const file = openSync(path, constants.O_RDONLY | NOT_WAITING);
  try {
    const found = fstatSync(file);
    const [pieces, buffer] = [[] as Buffer[], Buffer.alloc(1 << 16)];
    let [total, heard] = [0, performance.now()];
    for (;;) {
      let read: number | undefined;
      try {
        read = readSync(file, buffer);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      }
      const silent = performance.now() - heard;
      if (read) {
        total += read;
        if (total > limit)
          throw new DistillError(
            `${path} is no file, and gives more than ${limit} bytes, which are the most that is read.`,
          );
        pieces.push(Buffer.from(buffer.subarray(0, read)));
        heard = performance.now();
      } else if (read === 0 && (total > 0 || !found.isFIFO())) break;
      else if (silent > (read === 0 ? MEETING : SILENCE))
        throw new DistillError(
          `${path} is ${kindOf(found)}, and nothing came from it in ${Math.round(silent / 1000)} s.`,
        );
      else wait(20);
    }
    return Buffer.concat(pieces).toString("utf8");
  } finally {
    closeSync(file);
  }
}

export function writeFully(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.byteLength; )
    done += writeSync(file, bytes, done, Math.min(bytes.byteLength - done, 1 << 30));
}
