/**
 * @file Recipes that read from each other. A pipeline names steps; each is a recipe of its own, in a run folder below the
 * pipeline's, and what it reads may be what another step leaves.
 */

import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { isHubReference } from "../hub/reference.ts";
import { readKeys } from "./keys.ts";
import { PLACES, type Recipe, recipeOf } from "./recipe.ts";

export type PipelineStep = {
  name: string;
  recipe: Recipe;
  /** The steps that it reads from. */
  after: readonly string[];
};

export type Pipeline = {
  name: string;
  output: string;
  /** Each after those that it reads from. */
  steps: readonly PipelineStep[];
};

const NAME = /^[\w-]+$/;

const Keys = z.looseObject({
  name: z.string().regex(/^[\w.-]+$/, "only letters, digits, '.', '_' and '-'"),
  output: z.string().min(1).optional(),
  steps: z.record(
    z.string().regex(NAME, "only letters, digits, '_' and '-'"),
    z.looseObject({ extends: z.string().min(1).optional() }),
  ),
  /** What every step is measured on that does not say so itself. */
  evaluation: z.looseObject({}).optional(),
});

type Raw = Record<string, unknown>;

/** The pipeline in a file, or nothing where it is a plain recipe. Overrides of a step begin with steps.NAME. */
export function readPipeline(path: string, overrides: readonly string[] = []): Pipeline | undefined {
  const raw = readKeys(path, overrides);
  if (!("steps" in raw)) return undefined;
  const keys = Keys.safeParse(raw);
  if (!keys.success) {
    const { path: at, message } = keys.error.issues[0]!;
    throw new DistillError(`${path} is not a valid pipeline: ${[at.join("."), message].filter(Boolean).join(": ")}.`);
  }
  const { name, output: given, steps, evaluation, ...rest } = keys.data;
  const unknown = Object.keys(rest)[0];
  if (unknown)
    throw new DistillError(
      `${path} is not a valid pipeline: unknown key "${unknown}". Expected one of: name, output, steps, evaluation.`,
    );
  const folder = dirname(resolve(path));
  const output = given ? resolve(folder, given) : resolve("runs", name);

  const read = Object.entries(steps).map(([step, own]) => {
    const shared = evaluation && !("evaluation" in own) ? { evaluation } : {};
    const { extends: from, ...keys } = withPaths({ ...shared, ...own }, folder) as Raw & { extends?: string };
    const base =
      from === undefined
        ? {}
        : withPaths(readKeys(resolve(folder, own.extends!)), dirname(resolve(folder, own.extends!)));
    const after = new Set<string>();
    const whole = linked(merged(base, keys), (to, of) => {
      if (!(to in steps))
        throw new DistillError(
          `${path}: steps.${step} reads from a step "${to}", which there is not. Expected one of: ${Object.keys(steps).join(", ")}.`,
        );
      after.add(to);
      return join(output, to, of);
    }) as Raw;
    return { step, keys: { ...whole, name: `${name}.${step}`, output: join(output, step) }, after: [...after] };
  });
  const ordered = inOrder(read, path);
  return {
    name,
    output,
    steps: ordered.map(({ step, keys, after }) => ({
      name: step,
      recipe: recipeOf(keys, `${path}, steps.${step},`, folder),
      after,
    })),
  };
}

const isRecord = (value: unknown): value is Raw => typeof value === "object" && value !== null && !Array.isArray(value);

/** Keys that hold a path, wherever they stand. */
const PATHS = new Set([...Object.keys(PLACES), "tokenizer", "extends"]);

/** Keys with their paths made absolute, as they are merged with those of a file in another folder. */
function withPaths(value: unknown, folder: string): Raw {
  const visit = (value: unknown, key = ""): unknown => {
    if (Array.isArray(value)) return value.map((item) => visit(item));
    if (isRecord(value))
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, visit(inner, key)]));
    return typeof value === "string" && PATHS.has(key) && !isHubReference(value) ? resolve(folder, value) : value;
  };
  return visit(value) as Raw;
}

/** Sections of `own` laid over those of `base`, key by key; null takes a key away. What names another type is taken whole. */
function merged(base: Raw, own: Raw): Raw {
  const all: Raw = { ...base };
  for (const [key, value] of Object.entries(own)) {
    const before = all[key];
    if (value === null) delete all[key];
    else if (isRecord(before) && isRecord(value) && !replaces(before, value)) all[key] = merged(before, value);
    else all[key] = value;
  }
  return all;
}

/** What is another place or another kind of thing shares no keys with what was there. */
const replaces = (before: Raw, own: Raw): boolean =>
  "step" in own || (own.type !== undefined && own.type !== before.type) || "path" in own !== "path" in before;

/** What a section reads of a step, unless it says so. */
const READ: Record<string, string> = { student: "student", teacher: "student", dataset: "dataset" };

/** { step, of } in place of a path becomes the path. */
function linked(raw: Raw, place: (step: string, of: string) => string): Raw {
  const visit = (value: unknown, section: string): unknown => {
    if (Array.isArray(value)) return value.map((item) => visit(item, section));
    if (!isRecord(value)) return value;
    const { step, of, ...rest } = value;
    const inner = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, visit(part, section)]));
    if (typeof step !== "string")
      return { ...inner, ...(of === undefined ? {} : { of }), ...(step === undefined ? {} : { step }) };
    return { ...inner, path: place(step, typeof of === "string" ? of : (READ[section] ?? "student")) };
  };
  return Object.fromEntries(Object.entries(raw).map(([section, value]) => [section, visit(value, section)]));
}

/** Each after those that it reads from. */
function inOrder<Step extends { step: string; after: readonly string[] }>(
  steps: readonly Step[],
  path: string,
): Step[] {
  const ordered: Step[] = [];
  const visit = (step: Step, through: readonly string[]): void => {
    if (ordered.includes(step)) return;
    if (through.includes(step.step))
      throw new DistillError(
        `${path}: steps read from each other in a circle: ${[...through, step.step].join(" → ")}.`,
      );
    for (const before of step.after) visit(steps.find((other) => other.step === before)!, [...through, step.step]);
    ordered.push(step);
  };
  for (const step of steps) visit(step, []);
  return ordered;
}
