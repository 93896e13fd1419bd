import { resolve } from "node:path";
import { DistillError } from "../core/errors.ts";
import { readKeys } from "../recipe/keys.ts";

export type BatchArguments = { batch?: boolean; batchFiles?: string };

/** The overrides that stand for what is said of batches, which only a teacher behind a server takes. */
export function inBatches(
  recipe: string,
  overrides: readonly string[],
  { batch, batchFiles }: BatchArguments,
): string[] {
  const keys = [
    ...(batch ? ["teacher.batch.completion_window=24h"] : []),
    ...(batchFiles === undefined ? [] : [`teacher.batch.files=${JSON.stringify(resolve(batchFiles))}`]),
  ];
  if (keys.length > 0 && readKeys(recipe, overrides).teacher === undefined)
    throw new DistillError(
      `${recipe} has no teacher, and batches are asked of one behind a server. Give teacher: { type: openai, … }, or leave out --batch.`,
    );
  return keys;
}
