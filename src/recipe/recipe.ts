import { createHash } from "node:crypto";
import { dirname, isAbsolute, resolve } from "node:path";
import { parse, YAMLParseError } from "yaml";
import { z } from "zod";
import { oneOf } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { readText } from "../core/files.ts";
import * as generators from "../data/generators/index.ts";
import { DEVICES } from "../runtime/device.ts";
import { SftOptions } from "../trainers/sft.ts";

const text = z.string().min(1);

/** Rows from a file, or from a program that writes them. */
const Dataset = z.union([
  z.strictObject({ path: text }),
  z.strictObject({ generate: oneOf(generators), rows: z.int().positive(), seed: z.int().nonnegative().default(0) }),
]);

const Student = z.union([
  /** A model to continue from: an HF folder. */
  z.strictObject({ path: text }),
  /** A new model: the keys of an HF config.json. */
  z.strictObject({ config: z.looseObject({ model_type: text }), seed: z.int().nonnegative().default(0) }),
]);

export const Recipe = z.strictObject({
  name: text.regex(/^[\w.-]+$/, "only letters, digits, '.', '_' and '-'"),
  /** Where the run is kept; runs/<name> unless given. */
  output: text.optional(),
  device: z.enum(DEVICES).default("auto"),
  /** Threads on the CPU; 0 is one a core. */
  threads: z.int().nonnegative().default(0),
  student: Student,
  /** A tokenizer folder; the student's own unless given. */
  tokenizer: text.optional(),
  dataset: Dataset,
  trainer: SftOptions.extend({ type: z.literal("sft").default("sft") })
    .strict()
    .prefault({}),
  evaluation: z
    .strictObject({
      /** Problems of the generator's test split, or a JSONL file with prompt and answer. */
      dataset: Dataset,
      max_completion_length: z.int().positive().default(256),
    })
    .optional(),
});
export type Recipe = z.output<typeof Recipe>;
export type DatasetSource = Recipe["dataset"];

/** Read a recipe and apply `overrides` (key.path=value). Paths in it are relative to the folder of the recipe. */
export function readRecipe(path: string, overrides: readonly string[] = []): Recipe {
  const raw = parseYaml(readText(path, "Recipe"), path);
  if (typeof raw !== "object" || raw === null || Array.isArray(raw))
    throw new DistillError(`${path} is not a recipe: expected keys and values.`);
  for (const override of overrides) applyOverride(raw as Record<string, unknown>, override);
  const result = Recipe.safeParse(raw);
  if (!result.success) {
    const issues = result.error.issues.flatMap((issue) => explain(issue, raw));
    throw new DistillError(`${path} is not a valid recipe: ${issues.join("; ")}.`);
  }
  return withAbsolutePaths(result.data, dirname(resolve(path)));
}

function parseYaml(source: string, where: string): unknown {
  try {
    return parse(source);
  } catch (error) {
    if (error instanceof YAMLParseError)
      throw new DistillError(`${where} is not YAML: ${error.message.split("\n")[0]}`);
    throw error;
  }
}

function applyOverride(raw: Record<string, unknown>, override: string): void {
  const equals = override.indexOf("=");
  if (equals < 1)
    throw new DistillError(`"${override}" is not an override. Expected key=value, such as trainer.learning_rate=1e-4.`);
  const keys = override.slice(0, equals).split(".");
  let at = raw;
  for (const key of keys.slice(0, -1)) {
    if (typeof at[key] !== "object" || at[key] === null) at[key] = {};
    at = at[key] as Record<string, unknown>;
  }
  at[keys.at(-1)!] = parseYaml(override.slice(equals + 1), override);
}

/** Sentences for what a schema found, with the path of the key. */
function explain(issue: z.core.$ZodIssue, raw: unknown): string[] {
  const at = issue.path.length > 0 ? `${z.core.toDotPath(issue.path)}: ` : "";
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // say what is wrong with the alternative that fits best
    const best = [...issue.errors].sort((a, b) => unknownKeys(a) - unknownKeys(b) || a.length - b.length)[0]!;
    return best.flatMap((inner) => explain({ ...inner, path: [...issue.path, ...inner.path] }, raw));
  }
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => `${at}unknown key "${key}"${suggestion(key, issue.path)}`);
  return [`${at}${issue.message}`];
}

const unknownKeys = (issues: readonly z.core.$ZodIssue[]) =>
  issues.reduce(
    (sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : issue.path.length === 1 ? 0.5 : 0),
    0,
  );

/** ` (did you mean "x"?)` where a known key is near. */
function suggestion(key: string, path: readonly PropertyKey[]): string {
  const known =
    path.length === 0
      ? Object.keys(Recipe.shape)
      : path[0] === "trainer"
        ? Object.keys(SftOptions.shape)
        : ["path", "config", "generate", "rows", "seed", "type"];
  const near = known
    .map((name) => ({ name, distance: editDistance(name, key) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= Math.max(2, key.length / 3)
    ? ` (did you mean "${near.name}"?)`
    : `. Expected one of: ${known.join(", ")}`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

function withAbsolutePaths(recipe: Recipe, folder: string): Recipe {
  const absolute = (path: string) => (isAbsolute(path) ? path : resolve(folder, path));
  const source = (dataset: DatasetSource): DatasetSource =>
    "path" in dataset ? { path: absolute(dataset.path) } : dataset;
  return {
    ...recipe,
    output: recipe.output ? absolute(recipe.output) : resolve("runs", recipe.name),
    student: "path" in recipe.student ? { path: absolute(recipe.student.path) } : recipe.student,
    ...(recipe.tokenizer ? { tokenizer: absolute(recipe.tokenizer) } : {}),
    dataset: source(recipe.dataset),
    ...(recipe.evaluation ? { evaluation: { ...recipe.evaluation, dataset: source(recipe.evaluation.dataset) } } : {}),
  };
}

/** A hash of anything that JSON can say, the same for the same content. */
export const contentHash = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
