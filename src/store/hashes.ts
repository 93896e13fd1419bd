/** @file Hashes of files that a process before may have read already. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { contentHash, sha256 } from "../core/hash.ts";
import { readFile } from "../core/streams.ts";
import { SEAL } from "./seal.ts";

/** sha256 of files; those that were seen before and have not been touched since are not read again. */
export type FileHashes = {
  file(path: string): string;
  /** Of the files in a folder and their names; folders in it are left out. */
  folder(path: string): string;
  /** Take a hash as known, of a file that was just written and is about to be called `as`. */
  know(path: string, hash: string, as?: string): void;
  /** What `check` finds wrong with a file; nothing, without asking, where it was found whole and was not touched since. */
  checked(path: string, check: () => string | undefined): string | undefined;
  /** Keep what is known for the next process. */
  save(): void;
};

/** Behind a path: of what is known of a file's pieces. */
const PIECES = "#pieces";

const Known = z.record(z.string(), z.object({ touched: z.string(), hash: z.string() }));

/** The step of a file's times on the coarsest disks: two changes within it leave the same times; in ms. */
const STEP = 2000;

/** File hashes that are remembered in the file `memory`. `now` is the time, in ms. */
export function fileHashes(
  memory: string,
  write: (path: string, content: string) => void = () => {},
  now: () => number = Date.now,
): FileHashes {
  const known = recall(memory);
  let changed = false;
  const remember = (path: string, touched: string, hash: string) => {
    known.set(path, { touched, hash });
    changed = true;
  };
  const file = (path: string): string => {
    if (!existsSync(path)) throw new DistillError(`File not found: ${path}.`);
    const [seen, before] = [known.get(path), touched(path)];
    if (seen?.touched === before) return seen.hash;
    const hash = sha256(path);
    // what was changed while it was read, or might be once more without a trace, is read again next time
    const { mtimeMs, ctimeMs } = statSync(path);
    if (touched(path) === before && now() - Math.max(mtimeMs, ctimeMs) > STEP) remember(path, before, hash);
    return hash;
  };
  return {
    file,
    folder(path) {
      if (!existsSync(path)) throw new DistillError(`Folder not found: ${path}.`);
      // what no program here can open, such as a link that leads nowhere or a name that is no UTF-8, is not read either
      const isFile = (name: string) => statSync(join(path, name), { throwIfNoEntry: false })?.isFile() === true;
      const names = readdirSync(path).filter((name) => name !== SEAL && isFile(name));
      return contentHash(names.sort().map((name) => [name, file(join(path, name))]));
    },
    checked(path, check) {
      const [seen, before] = [known.get(`${path}${PIECES}`), touched(path)];
      if (seen?.touched === before) return undefined;
      const damage = check();
      const { mtimeMs, ctimeMs } = statSync(path);
      if (damage === undefined && touched(path) === before && now() - Math.max(mtimeMs, ctimeMs) > STEP) {
        known.set(`${path}${PIECES}`, { touched: before, hash: "" });
        changed = true;
      }
      return damage;
    },
    know: (path, hash, as = path) => remember(as, touched(path), hash),
    save() {
      if (!changed) return;
      const there = [...known].filter(([path]) =>
        existsSync(path.endsWith(PIECES) ? path.slice(0, -PIECES.length) : path),
      );
      write(memory, `${JSON.stringify(Object.fromEntries(there), null, 2)}\n`);
      changed = false;
    },
  };
}

/** What the system changes with every write, the time at which it did so included, which no program can set back. */
function touched(path: string): string {
  const { size, mtimeMs, ctimeMs, ino } = statSync(path);
  return [size, mtimeMs, ctimeMs, ino].join(" ");
}

function recall(memory: string): Map<string, z.output<typeof Known>[string]> {
  try {
    return new Map(Object.entries(Known.parse(JSON.parse(readFile(memory).toString("utf8")))));
  } catch {
    return new Map(); // there is none yet, or it is not ours: everything is read again
  }
}
