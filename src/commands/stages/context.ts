/** @file What every stage of a recipe's run knows. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { create } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import type { FileHashes } from "../../core/hash.ts";
import { contentHash } from "../../core/hash.ts";
import type { Prompt } from "../../core/trace.ts";
import type { Split } from "../../data/generators/generator.ts";
import { describeSource, type PromptSource, readPrompts } from "../../data/prompts.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import * as rewards from "../../rewards/index.ts";
import type { WeightedReward } from "../../rewards/judge.ts";
import { requireAnswers } from "../../sampling/sample.ts";

export type Context = {
  recipe: Recipe;
  /** The folder of the run. */
  output: string;
  hashes: FileHashes;
};

export const tracesFolder = ({ output }: Context) => join(output, "traces");
export const datasetFolder = ({ output }: Context) => join(output, "dataset");
export const studentFolder = ({ output }: Context) => join(output, "student");
export const exportFolder = ({ output }: Context) => join(output, "export");
export const evaluationFolder = ({ output }: Context) => join(output, "evaluation");

/** The hash of a file or a folder. */
export function hashOf({ hashes }: Context, path: string, kind: "file" | "folder", what: string): string {
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

/** The recipe's rewards, made. Those that compare with a reference refuse prompts without one. */
export function createRewards(specs: NonNullable<Recipe["rewards"]>): WeightedReward[] {
  const made = specs.map(({ name, weight, at_least, ...reward }) => ({
    name: name ?? reward.type,
    weight,
    at_least,
    reward: create(rewards, reward, "reward"),
  }));
  const twice = made.find(({ name }, i) => made.findIndex((other) => other.name === name) !== i);
  if (twice) throw new DistillError(`Two rewards are named "${twice.name}". Give one of them another name:.`);
  return made;
}

/** The questions of a source; with answers where a rule compares with them. */
export function questions(source: PromptSource, split: Split, rules: readonly string[]): Prompt[] {
  const prompts = readPrompts(source, split);
  for (const rule of rules) if (COMPARING.has(rule)) requireAnswers(prompts, rule, describeSource(source));
  return prompts;
}

/** Rewards that are nothing without a reference. */
const COMPARING = new Set(["accuracy", "code"]);
