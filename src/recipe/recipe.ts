import { dirname, resolve } from "node:path";
import { z } from "zod";
import { componentOf, oneOf } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { NAME } from "../core/names.ts";
import { threads } from "../core/sizes.ts";
import { PromptSource } from "../data/prompts.ts";
import { SelectionOptions } from "../data/selection.ts";
import { EvaluationOptions } from "../evaluation/options.ts";
import { expanded } from "../evaluation/presets.ts";
import { GGUF_TYPES } from "../exporters/gguf/types.ts";
import * as exporters from "../exporters/index.ts";
import { ParityOptions } from "../exporters/limits.ts";
import { RuleSpecs } from "../judging/options.ts";
import { DEVICES } from "../runtime/device.ts";
import { SamplerOptions } from "../sampling/options.ts";
import { StudentSections } from "../student/options.ts";
import * as teachers from "../teachers/index.ts";
import { Tracking, withLogFolders } from "../tracking/options.ts";
import * as trainers from "../trainers/index.ts";
import type { TrainerOptions } from "../trainers/options.ts";
import { scheduleConflict } from "../trainers/schedule.ts";
import type { Trainer as TrainerComponent } from "../trainers/trainer.ts";
import { type ValidationOptions, validationConflict } from "../trainers/validation.ts";
import { Dataset, EvaluationDataset, OneDataset } from "./datasets.ts";
import { exportConflicts } from "./exports.ts";
import { readKeys, readYaml } from "./keys.ts";
import { leadsIn } from "./leads.ts";
import { parsed } from "./parsed.ts";
import { absolute, mapPaths, mapRule } from "./paths.ts";
import { isRecord } from "./places.ts";
import { recipeSchema } from "./schema.ts";

const text = z.string().min(1);
const { student, tokenizer, chat_template, chat_template_kwargs, lora } = StudentSections.shape;

/** Problems that models are measured on. */
export const Evaluation = EvaluationOptions.extend({
  prompts: PromptSource.describe("Problems that no model has seen."),
  weights: z.enum(GGUF_TYPES).default("f32").describe("The type of weights in which llama.cpp runs base and student."),
}).strict();
export type Evaluation = z.output<typeof Evaluation>;

/** One measurement, or several by their names. */
export const Evaluations = z
  .union([Evaluation, z.array(Evaluation.required({ name: true })).min(1)])
  .refine((given) => !Array.isArray(given) || new Set(given.map(({ name }) => name)).size === given.length, {
    message: "give each measurement a name of its own",
  });

/** The measurements of a recipe. */
export const evaluationsOf = ({ evaluation }: Pick<Recipe, "evaluation">): Evaluation[] => [evaluation ?? []].flat();

/** What presets stand for, in the keys of measurements. */
export const withPresets = (evaluation: unknown): unknown =>
  Array.isArray(evaluation) ? evaluation.map(withPresets) : isRecord(evaluation) ? expanded(evaluation) : evaluation;

/** A trainer without a name is sft. */
const Trainer = z.preprocess(
  (trainer: unknown = {}) => (isRecord(trainer) && !("type" in trainer) ? { type: "sft", ...trainer } : trainer),
  oneOf(trainers) as unknown as z.ZodType<TrainerOptions & { type: string }>,
);

const recompute = z
  .boolean()
  .optional()
  .describe(
    "Compute cheap values and scores of attention again in the backward pass: a third of the memory, slower. Unless given, where the card is not known to have room for keeping them.",
  );

const Cuda = z.strictObject({
  tf32: z.boolean().default(true).describe("Multiply float32 in TF32: faster, with 10 bits of the mantissa."),
  device_id: z.int().nonnegative().default(0).describe("Which card, from 0."),
  memory_limit: z.number().positive().optional().describe("GiB of the card that each program takes at most."),
  recompute,
});

export const Recipe = z
  .strictObject({
    name: text.regex(NAME, "only letters, digits, '.', '_' and '-'").describe("What the run is called."),
    output: text.optional().describe("Where the run is kept; runs/<name> unless given."),
    device: z
      .enum(DEVICES)
      .default("auto")
      .describe("What trains and measures; auto takes the one that multiplies fastest."),
    threads: threads.default(0).describe("Threads on the CPU; 0 is one a core."),
    cuda: Cuda.prefault({}).describe("How device: cuda uses an NVIDIA card."),
    webgpu: z.strictObject({ recompute }).prefault({}).describe("How device: webgpu uses its memory."),
    student,
    tokenizer,
    chat_template,
    chat_template_kwargs,
    teacher: oneOf(teachers).optional().describe("Who writes the traces, or is asked at every step."),
    sampling: SamplerOptions.extend({ prompts: PromptSource.describe("What the teacher is asked.") })
      .strict()
      .optional()
      .describe("How traces are drawn from the teacher."),
    rewards: RuleSpecs.optional().describe(
      "Rules that judge completions; a trace is accepted when none of them objects.",
    ),
    selection: SelectionOptions.extend({
      mix: z
        .array(OneDataset)
        .min(1)
        .optional()
        .describe("What is trained on beside them: rows that teach something else, or keep what was known."),
    })
      .strict()
      .prefault({})
      .describe("Which accepted traces are trained on."),
    dataset: Dataset.optional().describe("What is trained on where nothing is sampled."),
    evaluation_dataset: EvaluationDataset.optional().describe(
      "What the student's loss is measured on while it is trained.",
    ),
    lora,
    reference: z
      .strictObject({ path: text.describe("An HF folder, a GGUF file or hf:owner/name.") })
      .optional()
      .describe("The model that a trainer keeps the student near to; the student as it starts unless given."),
    sampler: z
      .looseObject({
        type: z
          .enum(Object.keys(teachers) as [keyof typeof teachers])
          .describe("A kind of teacher, whose options it has."),
        weights: z
          .enum(GGUF_TYPES)
          .default("f32")
          .describe("The type of weights in which the student is written for it."),
        always: z.boolean().default(false).describe("Take it without measuring whether it is faster."),
      })
      .optional()
      .describe(
        "What else may draw the student's answers between steps, where it is faster than the trainer's own sampler, or always.",
      ),
    trainer: Trainer.describe("What the student learns from, and how."),
    export: z.array(oneOf(exporters)).default([]).describe("The files that are written of the trained student."),
    parity: ParityOptions.strict().prefault({}).describe("How exports are compared with the weights they are made of."),
    card: z
      .strictObject({
        title: text.optional().describe("Its heading; the run's name unless given."),
        description: text.optional().describe("A paragraph below the heading."),
        license: text.optional().describe("The hub's name of a licence, such as apache-2.0; the base's unless given."),
        language: z.array(text).min(1).optional().describe("Codes of languages, such as en; the base's unless given."),
      })
      .default({})
      .describe("What the model's card says that the run does not know."),
    evaluation: Evaluations.optional().describe(
      "What the recipe's models are measured on, and how; a list of such where each has a name.",
    ),
    tracking: Tracking.optional().describe("Which programs are told of the run while it goes on: tensorboard, mlflow."),
  })
  .superRefine((given, context) => {
    const {
      sampling,
      dataset,
      evaluation_dataset,
      trainer,
      teacher,
      rewards,
      reference,
      sampler,
      export: exports,
    } = given;
    const refuse = (key: (string | number)[], message: string) =>
      context.addIssue({ code: "custom", path: key, message });
    const {
      needs,
      teacher: asks,
      ...rest
    } = componentOf(trainers as Record<string, TrainerComponent>, trainer.type, "trainer");
    const wants = needs === "dataset" || rest.dataset?.(trainer);
    if (dataset && "weight" in dataset && dataset.weight !== undefined)
      refuse(
        ["dataset", "weight"],
        "it says how often rows come beside those of others: give dataset.mix, or leave it out",
      );
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
    if (sampler && !rest.samplers)
      refuse(["sampler"], `the trainer ${trainer.type} draws nothing that another sampler could; leave it out`);
    if (evaluation_dataset && !rest.validates)
      refuse(
        ["evaluation_dataset"],
        `the trainer ${trainer.type} makes its examples from trainer.prompts, and its loss is not measured on rows; leave it out${"eval_prompts" in rest.options.shape ? ", or give trainer.eval_prompts" : ""}`,
      );
    const conflict =
      scheduleConflict(trainer) ??
      (rest.validates
        ? validationConflict(trainer as ValidationOptions, evaluation_dataset !== undefined)
        : undefined) ??
      rest.conflict?.(trainer);
    if (conflict) refuse(["trainer", conflict.key], conflict.message);
    if (rest.judges && !rewards) refuse(["rewards"], `the trainer ${trainer.type} needs rewards`);
    if (reference && !rest.keepsNear?.(trainer))
      refuse(["reference"], `the trainer ${trainer.type} compares with none; leave it out, or give trainer.beta`);
    const texts = sampling !== undefined || dataset !== undefined;
    for (const { at, message } of exportConflicts(exports, texts, trainer.type)) refuse(["export", ...at], message);
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

const leads = leadsIn(() => recipeSchema(Recipe));

/** The recipe that keys make; paths in it are relative to `folder`, and `where` names it in errors. */
export function recipeOf(keys: Record<string, unknown>, where: string, folder: string): Recipe {
  const given = "evaluation" in keys ? { ...keys, evaluation: withPresets(keys.evaluation) } : keys;
  const recipe = parsed(Recipe, given, `${where} is not a valid recipe`, leads);
  const output = recipe.output ? resolve(folder, recipe.output) : resolve("runs", recipe.name);
  return { ...mapPaths(recipe, absolute(folder)), ...withLogFolders(recipe.tracking, folder), output };
}

/** Read rewards alone: a list of them, or anything with a key `rewards`, such as a recipe. */
export function readRewards(path: string): z.output<typeof RuleSpecs> {
  const raw = readYaml(path, "File of rewards");
  const rewards = Array.isArray(raw) ? raw : (raw as { rewards?: unknown } | null)?.rewards;
  if (rewards === undefined)
    throw new DistillError(`${path} names no rewards. Expected a list such as [{ type: accuracy }], or a recipe.`);
  const { rewards: specs } = parsed(Rewards, { rewards }, `${path} has no valid rewards`);
  return specs.map((spec) => mapRule(spec, absolute(dirname(resolve(path)))));
}

const Rewards = z.strictObject({ rewards: RuleSpecs });
