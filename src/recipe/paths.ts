/** @file Where a recipe names files and folders: the same change for each of them. */

import { resolve } from "node:path";
import { isHubReference, parseHubReference } from "../hub/reference.ts";
import { isRecord, type PathKind, PLACES, placed } from "./places.ts";
import type { Evaluation, Recipe } from "./recipe.ts";

/** The recipe with every path that it reads from changed. */
export function mapPaths(recipe: Recipe, change: (path: string, kind: PathKind) => string): Recipe {
  const placed = <Section extends object>(section: Section, kind: PathKind) => withPath(section, kind, change);
  const asking = <Section extends { prompts: object }>(section: Section): Section => ({
    ...section,
    prompts: placed(section.prompts, "data"),
  });
  const mixed = <One extends object>(dataset: One): One =>
    "mix" in dataset
      ? { ...dataset, mix: (dataset.mix as object[]).map((one) => placed(one, "data")) }
      : placed(dataset, "data");
  const { teacher, sampling, rewards, dataset, evaluation_dataset, selection, evaluation } = recipe;
  const rounded = <One extends object>(one: One): One => {
    const { importance_matrix: matrix } = one as { importance_matrix?: { dataset?: object } };
    if (!matrix) return one;
    const texts = matrix.dataset && { dataset: placed(matrix.dataset, "data") };
    return { ...one, importance_matrix: { ...placed(matrix, "data"), ...texts } };
  };
  const trainer = recipe.trainer as Recipe["trainer"] & { prompts?: object; eval_prompts?: object };
  return {
    ...recipe,
    student: placed(recipe.student, "student"),
    ...(recipe.tokenizer ? { tokenizer: change(recipe.tokenizer, "tokenizer") } : {}),
    ...(teacher ? { teacher: placed(teacher, "teacher") } : {}),
    ...(sampling ? { sampling: asking(sampling) } : {}),
    ...(rewards ? { rewards: rewards.map((rule) => mapRule(rule, change)) } : {}),
    ...(dataset ? { dataset: mixed(dataset) } : {}),
    ...(evaluation_dataset ? { evaluation_dataset: mixed(evaluation_dataset) } : {}),
    selection: { ...selection, ...(selection.mix ? { mix: selection.mix.map((one) => placed(one, "data")) } : {}) },
    ...(evaluation
      ? {
          evaluation: Array.isArray(evaluation)
            ? evaluation.map((one) => mapEvaluation(one, change))
            : mapEvaluation(evaluation, change),
        }
      : {}),
    export: recipe.export.map(rounded),
    ...(recipe.reference ? { reference: placed(recipe.reference, "student") } : {}),
    trainer: {
      ...trainer,
      ...(trainer.prompts ? { prompts: placed(trainer.prompts, "data") } : {}),
      ...(trainer.eval_prompts ? { eval_prompts: placed(trainer.eval_prompts, "data") } : {}),
    },
  };
}

type Change = (path: string, kind: PathKind) => string;

/** A measurement with every path that it reads from changed. */
export function mapEvaluation<Of extends Evaluation>(section: Of, change: Change): Of {
  const { prompts, models, correctness, rewards, search } = section;
  return {
    ...section,
    prompts: withPath(prompts, "data", change),
    ...(models
      ? { models: models.map((one) => (typeof one === "string" ? one : withPath(one, "teacher", change))) }
      : {}),
    ...(correctness ? { correctness: mapRule(correctness, change) } : {}),
    ...(rewards ? { rewards: rewards.map((rule) => mapRule(rule, change)) } : {}),
    ...(search ? { search: search.map((one) => mapSearch(one, change)) } : {}),
  };
}

/** A rule with its module, and what its judge is opened from, changed. */
export function mapRule<Rule extends object>(rule: Rule, change: Change): Rule {
  const judge = judgeOf(rule);
  return {
    ...withPath(rule, "reward", change),
    ...(judge ? { judge: { ...judge, teacher: withPath(judge.teacher, "teacher", change) } } : {}),
  };
}

/** The judge of a rule, where it has one. */
export const judgeOf = (rule: object): { teacher: { type: string; path?: string } } | undefined =>
  (rule as { judge?: { teacher: { type: string } } }).judge;

type SearchSpec = NonNullable<Evaluation["search"]>[number];
type ScorerSpec = { type: string; teacher?: object; rewards?: object[] };

/** The scorers that a search names. */
export const scorersOf = (search: object): ScorerSpec[] => {
  const { by = [], scorer } = search as { by?: unknown[]; scorer?: unknown };
  return [...by, scorer].filter((one): one is ScorerSpec => isRecord(one));
};

function mapSearch(search: SearchSpec, change: Change): SearchSpec {
  const scored = (one: unknown): unknown => {
    if (!isRecord(one)) return one;
    const { teacher, rewards } = one as ScorerSpec;
    return {
      ...one,
      ...(teacher ? { teacher: withPath(teacher, "teacher", change) } : {}),
      ...(rewards ? { rewards: rewards.map((rule) => withPath(rule, "reward", change)) } : {}),
    };
  };
  const { by, scorer } = search as { by?: unknown[]; scorer?: unknown };
  return {
    ...search,
    ...(by ? { by: by.map(scored) } : {}),
    ...(scorer ? { scorer: scored(scorer) } : {}),
  } as SearchSpec;
}

/** A section with its places, where it has any, changed. */
export function withPath<Section extends object>(
  section: Section,
  kind: PathKind,
  change: (path: string, kind: PathKind) => string,
): Section {
  const changed = (key: string, value: unknown): unknown =>
    typeof value === "string"
      ? change(value, PLACES[key as keyof typeof PLACES] ?? kind)
      : Array.isArray(value)
        ? value.map((one) => changed(key, one))
        : value;
  return {
    ...section,
    ...Object.fromEntries(
      Object.entries(section).flatMap(([key, value]) => (key in PLACES ? [[key, changed(key, value)]] : [])),
    ),
  };
}

/** Paths in a recipe are relative to its folder; references to the hub stay what they are. */
export const absolute = (folder: string) => (path: string, kind: PathKind) => {
  if (kind === "reward") return resolve(folder, path);
  if (!isHubReference(path)) return placed(path, folder);
  parseHubReference(path);
  return path;
};
