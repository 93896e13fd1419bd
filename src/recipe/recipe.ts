import { dirname, resolve } from "node:path";
import { parse, YAMLParseError } from "yaml";
import { z } from "zod";
import { componentOf, oneOf } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { readText } from "../core/files.ts";
import * as generators from "../data/generators/index.ts";
import { PromptSource } from "../data/prompts.ts";
import { SelectionOptions } from "../data/selection.ts";
import { EvaluationOptions } from "../evaluation/metrics.ts";
import { GGUF_TYPES } from "../exporters/gguf.ts";
import * as exporters from "../exporters/index.ts";
import { ParityOptions } from "../exporters/limits.ts";
import { isHubReference, parseHubReference } from "../hub/reference.ts";
import { RewardSpecs } from "../rewards/create.ts";
import { DEVICES } from "../runtime/device.ts";
import { SamplerOptions } from "../sampling/sample.ts";
import { StudentSections } from "../student/options.ts";
import * as teachers from "../teachers/index.ts";
import * as trainers from "../trainers/index.ts";
import type { TrainerOptions } from "../trainers/options.ts";
import type { Trainer as TrainerComponent } from "../trainers/trainer.ts";

const text = z.string().min(1);
const seed = z.int().nonnegative().default(0);
const { student, tokenizer, lora } = StudentSections.shape;

/** Rows of a training dataset, from a file or from a program that writes them. */
const Dataset = z.union([
  z.strictObject({ path: text }),
  z.strictObject({ generate: oneOf(generators), rows: z.int().positive(), seed }),
]);

/** A trainer without a name is sft. */
const Trainer = z.preprocess(
  (trainer: unknown = {}) =>
    typeof trainer === "object" && trainer !== null && !("type" in trainer) ? { type: "sft", ...trainer } : trainer,
  oneOf(trainers) as unknown as z.ZodType<TrainerOptions & { type: string }>,
);

export const Recipe = z
  .strictObject({
    name: text.regex(/^[\w.-]+$/, "only letters, digits, '.', '_' and '-'"),
    /** Where the run is kept; runs/<name> unless given. */
    output: text.optional(),
    device: z.enum(DEVICES).default("auto"),
    /** Threads on the CPU; 0 is one a core. */
    threads: z.int().nonnegative().default(0),
    student,
    tokenizer,
    teacher: oneOf(teachers).optional(),
    sampling: SamplerOptions.extend({ prompts: PromptSource }).strict().optional(),
    rewards: RewardSpecs.optional(),
    /** Which accepted traces are trained on. */
    selection: SelectionOptions.strict().prefault({}),
    /** What is trained on where nothing is sampled. */
    dataset: Dataset.optional(),
    lora,
    trainer: Trainer,
    export: z.array(oneOf(exporters)).default([]),
    parity: ParityOptions.strict().prefault({}),
    evaluation: EvaluationOptions.extend({
      prompts: PromptSource,
      /** The type of weights in which llama.cpp runs base and student. */
      weights: z.enum(GGUF_TYPES).default("f32"),
    })
      .strict()
      .optional(),
  })
  .superRefine(({ sampling, dataset, trainer, teacher, rewards }, context) => {
    const refuse = (key: string[], message: string) => context.addIssue({ code: "custom", path: key, message });
    const {
      needs,
      teacher: asks,
      ...rest
    } = componentOf(trainers as Record<string, TrainerComponent>, trainer.type, "trainer");
    const wants = needs === "dataset" || rest.dataset?.(trainer);
    if (sampling && dataset) refuse(["dataset"], "give either a dataset, or sampling that makes one");
    if (wants && !sampling && !dataset)
      refuse(
        ["dataset"],
        needs === "dataset"
          ? "give either a dataset, or sampling that makes one"
          : `the trainer ${trainer.type} learns from a dataset in the steps that the student does not write itself: give one, sampling that makes one, or trainer.lmbda 1`,
      );
    if (!wants && (sampling || dataset))
      refuse(
        [sampling ? "sampling" : "dataset"],
        `the trainer ${trainer.type} makes its examples from trainer.prompts; leave it out`,
      );
    if (rest.judges && !rewards) refuse(["rewards"], `the trainer ${trainer.type} needs rewards`);
    if (asks === "model" && !teacher)
      refuse(["teacher"], `the trainer ${trainer.type} asks a teacher at every step; name it`);
  })
  .refine(({ lora, trainer }) => !lora || trainer.freeze.length === 0, {
    path: ["trainer", "freeze"],
    message: "with lora all of the student's own weights are frozen; leave freeze out",
  })
  .refine(({ lora, trainer }) => trainer.base_dtype === "float32" || lora || trainer.freeze.length > 0, {
    path: ["trainer", "base_dtype"],
    message: "only weights that are not trained can be kept so; give lora, or trainer.freeze",
  })
  .refine(({ sampling, teacher }) => !sampling || teacher, { path: ["teacher"], message: "sampling needs a teacher" })
  .refine(({ sampling, rewards }) => !sampling || rewards, { path: ["rewards"], message: "sampling needs rewards" });
export type Recipe = z.output<typeof Recipe>;

/** Read a recipe and apply `overrides` (key.path=value; null leaves the key out). Paths in it are relative to the folder of the recipe. */
export const readRecipe = (path: string, overrides: readonly string[] = []): Recipe =>
  recipeOf(readKeys(path, overrides), path, dirname(resolve(path)));

/** What a YAML file says, with overrides applied, before anything of it is checked. */
export function readKeys(path: string, overrides: readonly string[] = []): Record<string, unknown> {
  const raw = parseYaml(readText(path, "Recipe"), path);
  if (typeof raw !== "object" || raw === null || Array.isArray(raw))
    throw new DistillError(`${path} is not a recipe: expected keys and values.`);
  for (const override of overrides) applyOverride(raw as Record<string, unknown>, override);
  return raw as Record<string, unknown>;
}

/** The recipe that keys make; paths in it are relative to `folder`, and `where` names it in errors. */
export function recipeOf(keys: Record<string, unknown>, where: string, folder: string): Recipe {
  const recipe = parsed(Recipe, keys, `${where} is not a valid recipe`);
  const output = recipe.output ? resolve(folder, recipe.output) : resolve("runs", recipe.name);
  return { ...mapPaths(recipe, absolute(folder)), output };
}

/** Read rewards alone: a list of them, or anything with a key `rewards`, such as a recipe. */
export function readRewards(path: string): z.output<typeof RewardSpecs> {
  const raw = parseYaml(readText(path, "File of rewards"), path);
  const rewards = Array.isArray(raw) ? raw : (raw as { rewards?: unknown } | null)?.rewards;
  if (rewards === undefined)
    throw new DistillError(`${path} names no rewards. Expected a list such as [{ type: accuracy }], or a recipe.`);
  const { rewards: specs } = parsed(Rewards, { rewards }, `${path} has no valid rewards`);
  return specs.map((spec) => withPath(spec, "reward", absolute(dirname(resolve(path)))));
}

const Rewards = z.strictObject({ rewards: RewardSpecs });

function parsed<Schema extends z.ZodType>(schema: Schema, raw: unknown, failure: string): z.output<Schema> {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap((issue) => explain(issue, raw, schema));
  throw new DistillError(`${failure}: ${issues.join("; ")}.`);
}

/** Values that aliases may stand for in all: some bytes of YAML can mean billions. */
const MAX_ALIASES = 100;

function parseYaml(source: string, where: string): unknown {
  try {
    return parse(source, { maxAliasCount: MAX_ALIASES });
  } catch (error) {
    if (error instanceof YAMLParseError)
      throw new DistillError(`${where} is not YAML: ${error.message.split("\n")[0]}`);
    if (error instanceof ReferenceError || error instanceof RangeError)
      throw new DistillError(
        `${where} cannot be read: ${error.message}. Write out what its aliases (*name) stand for.`,
      );
    throw error;
  }
}

function applyOverride(raw: Record<string, unknown>, override: string): void {
  const equals = override.indexOf("=");
  if (equals < 1)
    throw new DistillError(`"${override}" is not an override. Expected key=value, such as trainer.learning_rate=1e-4.`);
  const keys = override.slice(0, equals).split(".");
  const empty = keys.find((key) => key === "" || key in Object.prototype);
  if (empty !== undefined)
    throw new DistillError(`"${override}" names the key "${empty}", which no recipe has. Expected key.path=value.`);
  let at = raw;
  for (const key of keys.slice(0, -1)) {
    const inner = Object.hasOwn(at, key) ? at[key] : undefined;
    if (typeof inner !== "object" || inner === null) at[key] = {};
    at = at[key] as Record<string, unknown>;
  }
  const value = parseYaml(override.slice(equals + 1), override);
  // a step of a pipeline says by null what it does not take of the file that it extends
  if (value === null && keys[0] !== "steps") delete at[keys.at(-1)!];
  else at[keys.at(-1)!] = value;
}

/** Sentences for what a schema found, with the path of the key. */
function explain(issue: z.core.$ZodIssue, raw: unknown, schema: z.core.$ZodType): string[] {
  const at = issue.path.length > 0 ? `${z.core.toDotPath(issue.path)}: ` : "";
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // say what is wrong with the alternative that fits best
    const best = [...issue.errors].sort((a, b) => unknownKeys(a) - unknownKeys(b) || a.length - b.length)[0]!;
    return best.flatMap((inner) => explain({ ...inner, path: [...issue.path, ...inner.path] }, raw, schema));
  }
  if (issue.code === "invalid_union" && issue.discriminator) {
    const known = [...issue.message.matchAll(/'([^']+)'/g)].map(([, name]) => name!);
    const found = issue.path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)?.[key], raw);
    if (typeof found === "string") return [`${at}unknown "${found}"${suggestion(found, known)}`];
    return [`${at}expected one of: ${known.join(", ")}`];
  }
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => `${at}unknown key "${key}"${suggestion(key, knownKeys(schema, issue.path))}`);
  return [`${at}${issue.message}`];
}

const unknownKeys = (issues: readonly z.core.$ZodIssue[]) =>
  issues.reduce(
    (sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : issue.path.length === 1 ? 0.5 : 0),
    0,
  );

/** ` (did you mean "x"?)` where a known key is near. */
function suggestion(key: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, distance: editDistance(name, key) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= Math.max(2, key.length / 3)
    ? ` (did you mean "${near.name}"?)`
    : `. Expected one of: ${known.join(", ")}`;
}

/** The keys that a schema knows at a path: those of all alternatives there. */
function knownKeys(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const { def } = schema._zod as unknown as { def: Definition };
  const inner = def.innerType ?? (def.in?._zod.def.type === "transform" ? def.out : def.in);
  if (inner) return knownKeys(inner, path);
  if (def.options) return [...new Set(def.options.flatMap((option) => knownKeys(option, path)))];
  if (def.element) return knownKeys(def.element, path.slice(1));
  if (!def.shape) return [];
  const [key, ...rest] = path;
  if (key === undefined) return Object.keys(def.shape);
  return def.shape[String(key)] ? knownKeys(def.shape[String(key)]!, rest) : [];
}

type Definition = {
  innerType?: z.core.$ZodType;
  in?: z.core.$ZodType;
  out?: z.core.$ZodType;
  options?: z.core.$ZodType[];
  element?: z.core.$ZodType;
  shape?: Record<string, z.core.$ZodType>;
};

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

/** What a path in a recipe leads to. */
export type PathKind = "student" | "adapter" | "tokenizer" | "teacher" | "data" | "reward";

/** The recipe with every path that it reads from changed. */
export function mapPaths(recipe: Recipe, change: (path: string, kind: PathKind) => string): Recipe {
  const placed = <Section extends object>(section: Section, kind: PathKind) => withPath(section, kind, change);
  const asking = <Section extends { prompts: object }>(section: Section): Section => ({
    ...section,
    prompts: placed(section.prompts, "data"),
  });
  const { teacher, sampling, rewards, dataset, evaluation } = recipe;
  const trainer = recipe.trainer as Recipe["trainer"] & { prompts?: object };
  return {
    ...recipe,
    student: placed(recipe.student, "student"),
    ...(recipe.tokenizer ? { tokenizer: change(recipe.tokenizer, "tokenizer") } : {}),
    ...(teacher ? { teacher: placed(teacher, "teacher") } : {}),
    ...(sampling ? { sampling: asking(sampling) } : {}),
    ...(rewards ? { rewards: rewards.map((reward) => placed(reward, "reward")) } : {}),
    ...(dataset ? { dataset: placed(dataset, "data") } : {}),
    ...(evaluation ? { evaluation: asking(evaluation) } : {}),
    ...(trainer.prompts ? { trainer: asking(trainer as { prompts: object } & Recipe["trainer"]) } : {}),
  };
}

/** A section with its places, where it has any, changed. */
function withPath<Section extends object>(
  section: Section,
  kind: PathKind,
  change: (path: string, kind: PathKind) => string,
): Section {
  const places = Object.entries(section).filter(([key, value]) => key in PLACES && typeof value === "string");
  return {
    ...section,
    ...Object.fromEntries(places.map(([key, path]) => [key, change(path, PLACES[key as keyof typeof PLACES] ?? kind)])),
  };
}

/** Keys that hold a path, and what it leads to where that is not the section's own. */
const PLACES = { path: undefined, adapter: "adapter" } as const;

/** Paths in a recipe are relative to its folder; references to the hub stay what they are. */
const absolute = (folder: string) => (path: string, kind: PathKind) => {
  if (kind === "reward" || !isHubReference(path)) return resolve(folder, path);
  parseHubReference(path);
  return path;
};
