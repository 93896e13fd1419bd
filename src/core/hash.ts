/** @file Hashes of what results hang on. */

import { createHash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { openFile } from "./streams.ts";

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

/** sha256 of a file of any size, in hex. */
export function sha256(path: string): string {
  const hash = createHash("sha256");
  const file = openFile(path);
  try {
    const buffer = Buffer.alloc(1 << 22);
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer))
      hash.update(buffer.subarray(0, read));
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}
