/** @file Small files of JSON that know whether they are what was written: their last key is a checksum of the others. */

import { existsSync } from "node:fs";
import { contentHash } from "../core/hash.ts";
import { readFile } from "../core/streams.ts";

/** The text of a state. */
export function encodeState(state: object): string {
  const plain = JSON.parse(JSON.stringify(state)) as object;
  return `${JSON.stringify({ ...plain, checksum: contentHash(plain) }, null, 2)}\n`;
}

/** A state that was read, or what is wrong with its file; undefined where there is none. */
export type ReadState =
  | { state: Record<string, unknown>; damage?: undefined }
  | { state?: undefined; damage: string }
  | undefined;

export function readState(path: string): ReadState {
  if (!existsSync(path)) return undefined;
  try {
    const value: unknown = JSON.parse(readFile(path).toString("utf8"));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return { damage: `${path} is no state` };
    const { checksum, ...state } = value as Record<string, unknown>;
    if (checksum === contentHash(state)) return { state };
  } catch (error) {
    return { damage: `${path} cannot be read (${(error as Error).message})` }; // what is nested too deep among them
  }
  return { damage: `${path} is not as it was written: its checksum differs` };
}
