/** @file Which keys hold a path, and from where it is counted. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { DistillError } from "../core/errors.ts";
import { isHubReference } from "../hub/reference.ts";

export type Raw = Record<string, unknown>;

export const isRecord = (value: unknown): value is Raw =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a path in a recipe leads to. */
export type PathKind = "student" | "adapter" | "tokenizer" | "teacher" | "data" | "reward";

/** Keys of sections that hold a path, and what it leads to where that is not the section's own. */
export const PLACES = { path: undefined, adapter: "adapter", tokenizer: "tokenizer" } as const;

/** Keys that hold a path, wherever they stand. */
const PATHS = new Set<string>([...Object.keys(PLACES), "tokenizer"]);

/** Keys whose values are somebody else's, whatever they are called. */
const FOREIGN = new Set(["config", "extra_body", "headers"]);

/** owner/name, as models of the hub are called elsewhere. */
const OWNER_AND_NAME = /^([A-Za-z0-9][\w.-]*)\/[\w.-]+$/;
const FILE = /\.(jsonl?|ndjson|arrow|feather|ipc|parquet|csv|tsv|txt|gz|zst|gguf|onnx|safetensors|ya?ml|[cm]?js)$/i;

/** A path from a folder. What looks like a name at the hub, and is nothing here, is refused. */
export function placed(path: string, folder: string): string {
  const [, owner] = OWNER_AND_NAME.exec(path) ?? [];
  if (owner !== undefined && !FILE.test(path) && !existsSync(resolve(folder, owner)))
    throw new DistillError(
      `There is no ${path} in ${folder}. If the one at the hub is meant, write hf:${path}, or hf:datasets/${path}:FILE for rows.`,
    );
  return resolve(folder, path);
}

/** A value with its paths made absolute: they are relative to the folder of the file that says them. */
export function withPaths(value: unknown, folder: string, key = ""): unknown {
  if (Array.isArray(value)) return value.map((item) => withPaths(item, folder, key));
  if (FOREIGN.has(key)) return value;
  if (isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withPaths(inner, folder, key)]));
  return typeof value === "string" && PATHS.has(key) && !isHubReference(value) ? placed(value, folder) : value;
}
