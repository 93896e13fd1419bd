/** @file Hashes of what results hang on. */

import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "./errors.ts";
import { writeWhole } from "./files.ts";

/** A hash of anything that JSON can say, the same for the same content whatever the order of keys. */
export const contentHash = (value: unknown): string =>
  createHash("sha256")
    .update(JSON.stringify(value, (_, inner) => (isRecord(inner) ? sorted(inner) : inner)) ?? "undefined")
    .digest("hex")
    .slice(0, 16);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const sorted = (record: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

/** sha256 of files; those that were seen before with the same size and time are not read again. */
export type FileHashes = {
  file(path: string): string;
  /** Of the files in a folder and their names; folders in it are left out. */
  folder(path: string): string;
};

const Known = z.record(z.string(), z.object({ size: z.number(), modified: z.number(), hash: z.string() }));

/** File hashes that are remembered in the file `memory`. */
export function fileHashes(memory: string): FileHashes {
  const known = recall(memory);
  const file = (path: string): string => {
    if (!existsSync(path)) throw new DistillError(`File not found: ${path}.`);
    const { size, mtimeMs: modified } = statSync(path);
    const seen = known[path];
    if (seen?.size === size && seen.modified === modified) return seen.hash;
    const hash = sha256(path);
    known[path] = { size, modified, hash };
    writeWhole(memory, `${JSON.stringify(known, null, 2)}\n`);
    return hash;
  };
  return {
    file,
    folder(path) {
      if (!existsSync(path)) throw new DistillError(`Folder not found: ${path}.`);
      const names = readdirSync(path).filter((name) => statSync(join(path, name)).isFile());
      return contentHash(names.sort().map((name) => [name, file(join(path, name))]));
    },
  };
}

function recall(memory: string): z.output<typeof Known> {
  try {
    return Known.parse(JSON.parse(readFileSync(memory, "utf8")));
  } catch {
    return {}; // there is none yet, or it is not ours: everything is read again
  }
}

/** sha256 of a file of any size, in hex. */
export function sha256(path: string): string {
  const hash = createHash("sha256");
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(1 << 22);
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer))
      hash.update(buffer.subarray(0, read));
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}
