/** @file Files that are written whole or not at all. */

import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { DistillError } from "./errors.ts";
import { isStream, openStream, wait, writeFully } from "./streams.ts";

/** Write a file under a temporary name, flush it to disk, then give it its name. `temporary` is where it is written first. */
export function writeWhole(path: string, content: string | Uint8Array, temporary = temporaryOf(path)): void {
  const file = openTemporary(path, temporary);
  try {
    writeFully(file, typeof content === "string" ? Buffer.from(content) : content);
    finish(path, temporary, file);
  } catch (error) {
    throw abandon(path, temporary, file, error);
  }
}

/** Write a file that a user named: in the place of another one only where `isOwn` says that it may go. `what` is written. */
export function writeOver(path: string, content: string, what: string, isOwn: (content: Uint8Array) => boolean): void {
  requireOwn(path, what, isOwn);
  if (!isStream(path)) {
    writeWhole(behindLinks(path), content);
    return;
  }
  const stream = openStream(path);
  try {
    writeFully(stream, Buffer.from(content));
  } finally {
    closeSync(stream);
  }
}

/** The path that a link leads to, so that the link stays: nothing takes the place of what somebody put there. */
function behindLinks(path: string): string {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return path;
  requireLed(path);
  return realpathSync(path);
}

/** Throws for a link to what is not there. */
function requireLed(path: string): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() || isThere(path)) return;
  throw new DistillError(
    `${path} is a link to ${readlinkSync(path)}, which is not there: make it, or the disk that it is on, or move the link away.`,
  );
}

const isThere = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false; // links that lead to each other
  }
};

/** Whether something has this name, if only a link that leads nowhere. */
export const isTaken = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** Make a folder and those above it, as far as they are not there. */
export function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const above = dirname(resolve(path));
  if (above !== resolve(path)) makeFolder(above);
  try {
    mkdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return; // another process did
    if (code === "EEXIST") requireLed(path);
    if (code === "ENOENT" && isThere(above))
      throw new DistillError(`No folder can be made in ${above}: ${path} is refused. Give another one.`);
    throw error;
  }
}

/** Throws where something else than `what` lies at a path. */
export function requireOwn(path: string, what: string, isOwn: (content: Uint8Array) => boolean): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found || isStream(path) || (found.isFile() && found.size === 0)) return;
  if (found.isFile() && isOwn(readFileSync(path))) return;
  throw new DistillError(
    `${path} is there already, and is not ${what} as distill left it. It is not touched: give another name, or move it away.`,
  );
}

/** The same for content that comes piece by piece and is never in memory as a whole. */
export async function writeWholeFrom(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  if (isStream(path)) {
    const stream = openStream(path);
    try {
      for await (const piece of pieces) writeFully(stream, piece);
    } finally {
      closeSync(stream);
    }
    return;
  }
  const place = behindLinks(path);
  const temporary = temporaryOf(place);
  const file = openTemporary(place, temporary);
  try {
    for await (const piece of pieces) writeFully(file, piece);
    finish(place, temporary, file);
  } catch (error) {
    throw abandon(place, temporary, file, error);
  }
}

const HERE = hostname().replace(/[^\w-]/g, "-");
const temporaryOf = (path: string) => `${path}.${HERE}.${process.pid}.tmp`;

function openTemporary(path: string, temporary: string): number {
  try {
    makeFolder(dirname(path));
    removeLeftovers(path);
    return openSync(temporary, "w");
  } catch (error) {
    if (error instanceof DistillError) throw error;
    throw new DistillError(`Cannot write ${path}: ${(error as Error).message}.`);
  }
}

/** Remove what processes that are gone were writing under `path`, on this machine. */
function removeLeftovers(path: string): void {
  for (const name of readdirSync(dirname(path)))
    if (name.startsWith(`${basename(path)}.`) && isLeftover(name))
      rmSync(join(dirname(path), name), { recursive: true, force: true });
}

/** Whether a name is that of something that a process of this machine was writing, which is gone. */
export function isLeftover(name: string): boolean {
  const [, host, pid] = /\.([\w-]+)\.(\d+)\.tmp$/.exec(name) ?? [];
  return host === HERE && !isRunning(Number(pid));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function finish(path: string, temporary: string, file: number): void {
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** Flush a folder's list of names to the disk, where the system can. */
export function syncFolder(path: string): void {
  try {
    const folder = openSync(path, "r");
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch {
    // Windows opens no folders, and some disks on the network flush none
  }
}

/** Remove what was written so far; the error to throw. */
function abandon(path: string, temporary: string, file: number, error: unknown): unknown {
  try {
    closeSync(file);
  } catch {
    // it was closed before the rename failed
  }
  rmSync(temporary, { force: true });
  const { code, message } = error as NodeJS.ErrnoException;
  return code ? new DistillError(`Cannot write ${path}: ${message}. Nothing was written there.`) : error;
}

/**
 * Keep a place for a folder that writeFolder makes later, before there is work for it. Throws where another process of this
 * machine is about to write there. Returns what gives the place back.
 */
export function reservePlace(path: string): () => void {
  const own = temporaryOf(path);
  const release = () => {
    process.off("exit", release);
    rmSync(own, { recursive: true, force: true });
  };
  makeFolder(dirname(path));
  for (let tries = 0; ; tries++) {
    removeLeftovers(path);
    makeFolder(own);
    const other = readdirSync(dirname(path)).find(
      (name) =>
        name !== basename(own) &&
        name.startsWith(`${basename(path)}.`) &&
        /^\.[\w-]+\.\d+\.tmp$/.test(name.slice(basename(path).length)) &&
        name.includes(`.${HERE}.`),
    );
    if (!other) break;
    release();
    // two that came at once have both stepped back
    if (tries === 3)
      throw new DistillError(
        `${path} is about to be written by another command (process ${other.split(".").at(-2)}). Wait for it, or give another --output.`,
      );
    wait(50 + Math.random() * 200);
  }
  process.on("exit", release);
  return release;
}

/**
 * Make a new folder with its contents whole or not at all: `fill` writes into a temporary folder that is then renamed. A
 * folder that is there already and holds something is left alone.
 */
export async function writeFolder(
  path: string,
  fill: (folder: string) => void | Promise<void>,
  temporary = temporaryOf(path),
): Promise<void> {
  makeFolder(dirname(path));
  removeLeftovers(path);
  rmSync(temporary, { recursive: true, force: true });
  makeFolder(temporary);
  try {
    await fill(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  syncFolder(dirname(path));
}
