/**
 * @file Recipes that read from each other. A pipeline names steps; each is a recipe of its own, in a run folder below the
 * pipeline's, and what it reads may be what another step leaves.
 */

import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { NAME } from "../core/names.ts";
import { extended } from "./extended.ts";
import { readKeys } from "./keys.ts";
import { parsed } from "./parsed.ts";
import { isRecord, PLACES, type Raw } from "./places.ts";
import { Recipe, readRecipe, recipeOf } from "./recipe.ts";

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

const STEP = /^[\w-]+$/;

const Keys = z.strictObject({
  name: z.string().regex(NAME, "only letters, digits, '.', '_' and '-'"),
  output: z.string().min(1).optional(),
  steps: z.record(
    z.string().regex(STEP, "only letters, digits, '_' and '-'"),
    z.looseObject({ extends: z.string().min(1).optional() }),
  ),
  /** What every step is measured on that does not say so itself. */
  evaluation: z.union([z.looseObject({}), z.array(z.looseObject({}))]).optional(),
});

const first = (steps: unknown): string => (isRecord(steps) && Object.keys(steps)[0]) || "NAME";

/** The pipeline in a file, or nothing where it is a plain recipe. Overrides of a step begin with steps.NAME. */
export function readPipeline(path: string, overrides: readonly string[] = []): Pipeline | undefined {
  const raw = readKeys(path, overrides);
  if (!("steps" in raw)) return undefined;
  const known = parsed(Keys, raw, `${path} is not a valid pipeline`, {
    ofKey: (key) =>
      key in Recipe.shape ? `it is a key of steps, such as steps.${first(raw.steps)}.${key}` : undefined,
  });
  const { name, output: given, steps, evaluation } = known;
  const folder = dirname(resolve(path));
  const output = given ? resolve(folder, given) : resolve("runs", name);

  const read = Object.entries(steps).map(([step, own]) => {
    const shared = evaluation && !("evaluation" in own) ? { evaluation } : {};
    const whole = extended({ ...shared, ...own }, { path, steps }, [step]);
    const links: Link[] = [];
    const keys = linked(whole, (link) => {
      if (!(link.step in steps))
        throw new DistillError(
          `${path}: steps.${step} reads from a step "${link.step}", which there is not. Expected one of: ${Object.keys(steps).join(", ")}.`,
        );
      links.push(link);
      return join(output, link.step, link.of);
    });
    const named = { ...keys, name: `${name}.${step}`, output: join(output, step) };
    return { step, keys: named, links, after: [...new Set(links.map((link) => link.step))] };
  });
  const ordered = inOrder(read, path).map(({ step, keys, links, after }) => ({
    name: step,
    recipe: recipeOf(keys, `${path}, steps.${step},`, folder),
    links,
    after,
  }));
  for (const { name, links } of ordered)
    for (const { step, of } of links) {
      const left = leftBy(ordered.find((other) => other.name === step)!.recipe);
      if (!left.includes(of.split("/")[0]!))
        throw new DistillError(
          `${path}: steps.${name} reads "${of}" of the step ${step}, which does not leave that. Expected one of: ${left.join(", ")}.`,
        );
    }
  return { name, output, steps: ordered.map(({ links: _, ...step }) => step) };
}

export function stepNamed({ steps }: Pipeline, name: string): PipelineStep {
  const found = steps.find((step) => step.name === name);
  if (!found)
    throw new DistillError(`There is no step "${name}". Expected one of: ${steps.map(({ name }) => name).join(", ")}.`);
  return found;
}

/** The recipe in a file, of a pipeline that of one step. */
export function readOneRecipe(path: string, overrides: readonly string[], step: string | undefined): Recipe {
  const pipeline = readPipeline(path, overrides);
  if (pipeline && step !== undefined) return stepNamed(pipeline, step).recipe;
  if (pipeline)
    throw new DistillError(
      `${path} has steps. Name one of them: ${pipeline.steps.map(({ name }) => `--step ${name}`).join(", ")}.`,
    );
  if (step !== undefined) throw new DistillError(`${path} has no steps, so none of them can be shown alone.`);
  return readRecipe(path, overrides);
}

/** What a step leaves that another may read, by name in its folder. */
const leftBy = ({ lora, sampling, export: exported }: Recipe): string[] => [
  "student",
  ...(lora ? ["adapter"] : []),
  ...(sampling ? ["dataset", "traces"] : []),
  ...(exported.length > 0 ? ["export"] : []),
];

type Link = { step: string; of: string };

/** What a section reads of a step, unless it says so. */
const READ: Record<string, string> = {
  dataset: "dataset",
  evaluation_dataset: "dataset",
  mix: "dataset",
  adapter: "adapter",
};

/** What a teacher is that names a step and no type. */
const TEACHER = "engine";

/** { step, of } in place of a path becomes the path; where the path is all there is to say, a text. */
function linked(raw: Raw, place: (link: Link) => string): Raw {
  const visit = (value: unknown, key: string): unknown => {
    if (Array.isArray(value)) return value.map((item) => visit(item, key));
    if (!isRecord(value)) return value;
    const { step, of, ...rest } = value;
    const inner = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, visit(part, key)]));
    if (typeof step !== "string")
      return { ...inner, ...(of === undefined ? {} : { of }), ...(step === undefined ? {} : { step }) };
    const path = place({ step, of: typeof of === "string" ? of : (READ[key] ?? "student") });
    if (TEXTS.has(key)) return path;
    return { ...(key === "teacher" ? { type: TEACHER } : {}), ...inner, path };
  };
  return Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, visit(value, key)]));
}

/** Keys whose value is a path. */
const TEXTS = new Set([...Object.keys(PLACES), "tokenizer"]);

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
