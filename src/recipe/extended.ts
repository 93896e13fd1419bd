/** @file Keys of a step over those of what it extends. */

import { dirname, resolve } from "node:path";
import { DistillError } from "../core/errors.ts";
import { readKeys } from "./keys.ts";
import { isRecord, type Raw, withPaths } from "./places.ts";

export type Steps = Record<string, Raw & { extends?: string | undefined }>;

/**
 * Keys laid over those that they extend, with absolute paths. `extends` is a recipe's file, a step of a pipeline's (file#step),
 * or another step of their own file (#step).
 */
export function extended(own: Steps[string], file: { path: string; steps: Steps }, through: readonly string[]): Raw {
  const folder = dirname(resolve(file.path));
  const { extends: from, ...keys } = own;
  const above = withPaths(keys, folder) as Raw;
  if (from === undefined) return above;
  const [, place, step] = /^(.*?)(?:#([\w-]+))?$/.exec(from)!;
  const path = place ? resolve(folder, place) : file.path;
  const name = step === undefined ? path : place ? `${path}#${step}` : step;
  if (through.includes(name))
    throw new DistillError(`${file.path}: steps extend each other in a circle: ${[...through, name].join(" → ")}.`);
  if (step === undefined) {
    const raw = readKeys(path);
    if ("steps" in raw)
      throw new DistillError(
        `${file.path}: ${place} has steps, and extends names none of them. Give one: ${place}#${Object.keys(raw.steps as object)[0]}.`,
      );
    return merged(withPaths(raw, dirname(path)) as Raw, above);
  }
  const steps = place ? (readKeys(path).steps as Steps | undefined) : file.steps;
  if (!isRecord(steps?.[step]))
    throw new DistillError(
      `${file.path}: extends names the step "${step}" of ${place || "this file"}, which there is not. Expected one of: ${Object.keys(steps ?? {}).join(", ") || "none, since it has no steps"}.`,
    );
  return merged(extended(steps[step], { path, steps }, [...through, name]), above);
}

/** Sections of `own` laid over those of `base`, key by key; null takes a key away. What names another type is taken whole. */
function merged(base: Raw, own: Raw): Raw {
  const all: Raw = { ...base };
  for (const [key, value] of Object.entries(own)) {
    const before = all[key];
    if (value === null) delete all[key];
    else if (isRecord(value)) all[key] = merged(isRecord(before) && !replaces(before, value) ? before : {}, value);
    else all[key] = value;
  }
  return all;
}

/** Keys of which one says where a thing comes from. */
const PLACED = ["step", "path", "generate", "mix", "split", "config"];

/** What is another place or another kind of thing shares no keys with what was there. */
const replaces = (before: Raw, own: Raw): boolean =>
  (own.type !== undefined && own.type !== before.type) || PLACED.some((key) => key in own && !(key in before));
