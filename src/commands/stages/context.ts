/** @file What every stage of a recipe's run knows. */

import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { componentOf, contentOf } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import { contentHash } from "../../core/hash.ts";
import type { Prompt } from "../../core/trace.ts";
import type { Split } from "../../data/generators/generator.ts";
import { describeSource, type PromptSource, readQuestions, writeQuestions } from "../../data/prompts.ts";
import type { DatasetSource } from "../../data/sources.ts";
import { loadTokenizer, type Tokenizer } from "../../data/tokenizer.ts";
import { type JudgedSpec, rulesInput } from "../../judging/open.ts";
import { evaluationsOf, type Recipe } from "../../recipe/recipe.ts";
import { needsAnswer, type RewardSpec } from "../../rewards/create.ts";
import type { LedgerPlace } from "../../sampling/ledger.ts";
import { drawOptions, requireAnswers, type SamplerOptions } from "../../sampling/options.ts";
import type { RunFolder } from "../../store/run-folder.ts";
import { tellDamage } from "../../store/seal.ts";
import { templateToAsk } from "../../student/template.ts";
import { UNPACKED } from "../../student/unpack.ts";
import { filesBeside, type TeacherFile, templateThrough } from "../../teachers/files.ts";
import * as teachers from "../../teachers/index.ts";
import type { ModelFile, TeacherComponent } from "../../teachers/teacher.ts";
import * as trainers from "../../trainers/index.ts";
import type { Trainer } from "../../trainers/trainer.ts";

export type Context = {
  recipe: Recipe;
  /** The folder of the run. */
  folder: RunFolder;
  /** What files and folders from the hub are, with their commit. */
  hub: ReadonlyMap<string, string>;
};

/** What hashes of files need. */
export type Hashing = Pick<Context, "hub"> & { folder: Pick<RunFolder, "hashes"> };

/** What a run leaves, by name in its folder. */
export const NAMES = {
  traces: "traces",
  dataset: "dataset",
  student: "student",
  adapter: "adapter",
  ...UNPACKED,
  export: "export",
  evaluation: "evaluation",
} as const;

/** Where a run keeps one of them. */
export const placeOf = ({ folder }: Pick<Context, "folder">, name: keyof typeof NAMES) =>
  join(folder.path, NAMES[name]);

/** The trainer that a recipe names. */
export const trainerOf = ({ trainer }: Pick<Recipe, "trainer">): Trainer =>
  componentOf(trainers as Record<string, Trainer>, trainer.type, "trainer");

/** What is trained on: the recipe's dataset, or the one that its traces make, with what is mixed into it. */
export const datasetOf = ({ recipe, folder }: Pick<Context, "recipe" | "folder">): DatasetSource =>
  recipe.dataset ?? withMixed(recipe, placeOf({ folder }, "dataset"));

export const withMixed = ({ selection: { mix } }: Pick<Recipe, "selection">, path: string): DatasetSource =>
  mix ? { mix: [{ path }, ...mix] } : { path };

/** Where draws that hang on `inputs`, and what `rules` say of them, are kept. */
export function ledgerOf(
  context: Pick<Context, "folder" | "hub">,
  inputs: unknown,
  rules: readonly JudgedSpec[],
  options: SamplerOptions,
) {
  const { folder } = context;
  const key = contentHash({ draw: drawOptions(options), of: inputs });
  const judged = contentHash({ rewards: inputOfRules(context, rules), draws: key });
  const draws = `samples/${key}`;
  const verdicts = `verdicts/${judged}`;
  const place = (): LedgerPlace => ({
    draws: { folder: folder.place(draws), key },
    verdicts: { folder: folder.place(verdicts), key: judged },
    journal: { folder: folder.place(`journal/${key}`), key },
    discard: () => folder.discard(verdicts),
  });
  return { name: draws, verdicts, key, judged, place };
}

/** The hash of a file or a folder; of what comes from the hub its reference with the commit, which says the same. */
export function hashOf({ folder, hub }: Hashing, path: string, kind: "file" | "folder", what: string): string {
  const reference = hub.get(path);
  if (reference !== undefined) return reference;
  if (!existsSync(path)) throw new DistillError(`${what} not found: ${path}.`);
  tellDamage(path, folder.hashes.file);
  return kind === "file" ? folder.hashes.file(path) : folder.hashes.folder(path);
}

/** A teacher that is given the other of the two says so itself. */
const kindOf = (path: string) => (statSync(path, { throwIfNoEntry: false })?.isDirectory() ? "folder" : "file");

/** How the student's prompts are rendered, where the recipe says so. */
export const renderingInput = ({ chat_template, chat_template_kwargs }: Recipe) => ({
  ...(chat_template === undefined ? {} : { chat_template }),
  ...(chat_template_kwargs === undefined ? {} : { chat_template_kwargs }),
});

/** What a source of prompts holds, as an input of a stage: the content of a file, not its place. */
export const promptsInput = (prompts: readonly Prompt[]) => contentHash(prompts);

/** A teacher as a recipe names it, with its places. */
export type TeacherSpec = { type: string; path?: string; tokenizer?: string };

/** What the teacher's answers hang on: its options and the hash of its file or folder. */
export function teacherInput(context: Context): Record<string, unknown> {
  return context.recipe.teacher ? contentOfTeacher(context, context.recipe.teacher) : {};
}

/** What judgements by some rules hang on. */
export const inputOfRules = (context: Hashing, rules: readonly JudgedSpec[]): unknown[] =>
  rulesInput(rules, (teacher) => contentOfTeacher(context, teacher));

/** The same of any teacher. */
export function contentOfTeacher(context: Hashing, teacher: TeacherSpec): Record<string, unknown> {
  const { type, path, tokenizer } = teacher;
  const { options, file, folder, ...reads } = componentOf<TeacherComponent>(teachers, type, "teacher");
  return {
    ...contentOf(options, teacher),
    ...(reads.tokenizer && tokenizer
      ? { tokenizer: hashOf(context, tokenizer, "folder", "The teacher's tokenizer") }
      : {}),
    ...(file && path ? modelInput(context, file, path, "The teacher's file") : {}),
    ...(folder && path ? { file: hashOf(context, path, kindOf(path), "The teacher's folder") } : {}),
  };
}

/** What a model in a file is: the hash of that, and of what is read with it. */
export function modelInput(context: Hashing, kind: ModelFile, path: string, what: string) {
  const file = hashOf(context, path, kindOf(path), what);
  const others = context.hub.has(path) ? [] : filesBeside(kind, path); // a commit says what all of them are
  const { hashes } = context.folder;
  return {
    file,
    ...(others.length > 0 ? { beside: contentHash(others.map((place) => [basename(place), hashes.file(place)])) } : {}),
  };
}

/**
 * The template through which a model is asked that has none of its own, or another one than the recipe's student: the recipe
 * says it, or what the student learns from.
 */
export function askedThrough(recipe: Recipe, tokenizer: Pick<Tokenizer, "template" | "folder">): string | undefined {
  const { teacher, dataset } = recipe;
  return (
    renderedThrough(recipe, tokenizer) ??
    templateToAsk({ teacher: teacher && { template: () => templateThrough(teacher) }, dataset }, tokenizer)
  );
}

/** The recipe's own template, and what it sets in one. */
function renderedThrough(recipe: Recipe, { template, folder }: Pick<Tokenizer, "template" | "folder">) {
  if (recipe.chat_template === undefined && recipe.chat_template_kwargs === undefined) return undefined;
  const through = loadTokenizer(folder, undefined, recipe).template;
  return through === template ? undefined : through;
}

/**
 * That template as an input, of a teacher's from the hub its reference, which says the same and may not be here yet; nothing
 * where a model is asked through its own, or the question is all that it reads.
 */
export function templateInput(
  { recipe, hub }: Pick<Context, "recipe" | "hub">,
  tokenizer: Pick<Tokenizer, "template" | "folder">,
): { template?: string } {
  const { teacher, dataset } = recipe;
  const said = (teacher: TeacherFile) =>
    teacher.chat_template ?? hub.get(teacher.path ?? "") ?? templateThrough(teacher);
  const template =
    renderedThrough(recipe, tokenizer) ??
    templateToAsk({ teacher: teacher && { template: () => said(teacher) }, dataset }, tokenizer);
  return template === undefined || template === "plain" ? {} : { template };
}

/** What was read of files, or why it cannot be: the keys of stages and what stages do hang on the same questions. */
const read = new WeakMap<PromptSource, { prompts: Prompt[] } | { error: unknown }>();
/** What programs wrote, by split. */
const written = new WeakMap<PromptSource, Partial<Record<Split, Prompt[]>>>();

/** Read the files of questions that a recipe names, for `questions` to give; what is wrong with one is said there. */
export async function readAllQuestions(recipe: Recipe): Promise<void> {
  const asks = trainerOf(recipe).asks?.(recipe.trainer);
  const measured = evaluationsOf(recipe).map(({ prompts }) => prompts);
  await readQuestionFiles([recipe.sampling?.prompts, asks?.prompts, asks?.evaluates, ...measured]);
}

/** The same of some sources. */
export async function readQuestionFiles(sources: readonly (PromptSource | undefined)[]): Promise<void> {
  for (const source of sources)
    if (source && "path" in source && !read.has(source))
      read.set(
        source,
        await readQuestions(source).then(
          (prompts) => ({ prompts }),
          (error: unknown) => ({ error }),
        ),
      );
}

/** The questions of a source, as they were when they were read; with answers where a rule compares with them. */
export function questions(source: PromptSource, split: Split, rules: readonly RewardSpec[] = []): Prompt[] {
  const prompts = "path" in source ? readOf(source) : writtenOf(source, split);
  for (const rule of rules) if (needsAnswer(rule)) requireAnswers(prompts, rule.type, describeSource(source));
  return prompts;
}

function readOf(source: PromptSource): Prompt[] {
  const found = read.get(source);
  if (!found) throw new Error(`The questions of ${describeSource(source)} have not been read.`);
  if ("error" in found) throw found.error;
  return found.prompts;
}

function writtenOf(source: Exclude<PromptSource, { path: unknown }>, split: Split): Prompt[] {
  const known = written.get(source) ?? {};
  written.set(source, known);
  known[split] ??= writeQuestions(source, split);
  return known[split];
}
