/** @file What every stage of a recipe's run knows. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../../core/errors.ts";
import type { FileHashes } from "../../core/hash.ts";
import { contentHash } from "../../core/hash.ts";
import type { Prompt } from "../../core/trace.ts";
import type { Split } from "../../data/generators/generator.ts";
import { describeSource, type PromptSource, readPrompts } from "../../data/prompts.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { requireAnswers } from "../../sampling/sample.ts";

export type Context = {
  recipe: Recipe;
  /** The folder of the run. */
  output: string;
  hashes: FileHashes;
  /** What files and folders from the hub are, with their commit. */
  hub: ReadonlyMap<string, string>;
};

export const tracesFolder = ({ output }: Context) => join(output, "traces");
export const datasetFolder = ({ output }: Pick<Context, "output">) => join(output, "dataset");
export const studentFolder = ({ output }: Context) => join(output, "student");
export const adapterFolder = ({ output }: Context) => join(output, "adapter");
export const exportFolder = ({ output }: Context) => join(output, "export");
export const evaluationFolder = ({ output }: Context) => join(output, "evaluation");

/** The model that a student starts from: its folder, or the one in which its adapter is merged into it. */
export function baseFolder({ recipe, output }: Pick<Context, "recipe" | "output">): string | undefined {
  const { student } = recipe;
  if (!("path" in student)) return undefined;
  return student.adapter ? join(output, "base-with-adapter") : student.path;
}

/** The hash of a file or a folder; of what comes from the hub its reference with the commit, which says the same. */
export function hashOf({ hashes, hub }: Context, path: string, kind: "file" | "folder", what: string): string {
  const reference = hub.get(path);
  if (reference !== undefined) return reference;
  if (!existsSync(path)) throw new DistillError(`${what} not found: ${path}.`);
  return kind === "file" ? hashes.file(path) : hashes.folder(path);
}

/** What a source of prompts holds, as an input of a stage: the content of a file, not its place. */
export const promptsInput = (prompts: readonly Prompt[]) => contentHash(prompts);

/** Options that say where a model lies and how fast it runs, not what it answers. */
const NOT_CONTENT = ["path", "sequences", "batch_size", "gpu", "threads"];

/** What the teacher's answers hang on: its options and the hash of its file. */
export function teacherInput(context: Context): Record<string, unknown> {
  const teacher = Object.entries(context.recipe.teacher ?? {});
  const path = teacher.find(([key]) => key === "path")?.[1] as string | undefined;
  return {
    ...Object.fromEntries(teacher.filter(([key]) => !NOT_CONTENT.includes(key))),
    ...(path ? { file: hashOf(context, path, "file", "The teacher's file") } : {}),
  };
}

/** The questions of a source; with answers where a rule compares with them. */
export function questions(source: PromptSource, split: Split, rules: readonly string[]): Prompt[] {
  const prompts = readPrompts(source, split);
  for (const rule of rules) if (COMPARING.has(rule)) requireAnswers(prompts, rule, describeSource(source));
  return prompts;
}

/** Rewards that are nothing without a reference. */
const COMPARING = new Set(["accuracy", "code"]);
