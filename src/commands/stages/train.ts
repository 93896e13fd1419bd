/** @file The student, fine-tuned on the accepted traces or on a dataset of its own. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { contentOf, foundationOf } from "../../core/component.ts";
import { DistillError, isOutOfMemory } from "../../core/errors.ts";
import { availableMemory } from "../../core/memory.ts";
import { inMemory, type Segments } from "../../data/example-store.ts";
import type { Model, Parameter } from "../../models/model.ts";
import { requireWidened } from "../../models/storage.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { Stage } from "../../recipe/stages.ts";
import type { Device } from "../../runtime/device.ts";
import { watchResidentSet } from "../../runtime/resident-set.ts";
import { studentToTrain } from "../../student/model.ts";
import { openStudent } from "../../student/student.ts";
import { describeTrained, type Trained } from "../../student/trained.ts";
import { startingWeights } from "../../student/weights.ts";
import { forgetOtherCheckpoints, readerOf, saveTrained } from "../../trainers/checkpoint.ts";
import { CURVES, METRICS } from "../../trainers/curves.ts";
import { type Actual, describeComparison, describeEstimate, type TrainingEstimate } from "../../trainers/estimate.ts";
import { train } from "../../trainers/loop.ts";
import type { PromptTokens } from "../../trainers/rollouts.ts";
import {
  type Context,
  hashOf,
  inputOfRules,
  NAMES,
  placeOf,
  promptsInput,
  questions,
  renderingInput,
  teacherInput,
  templateInput,
  trainerOf,
} from "./context.ts";
import { datasetContent } from "./example-cache.ts";
import { examplesOf, validationInput } from "./examples.ts";
import { foresee } from "./foresee-training.ts";
import { materialsOf } from "./materials.ts";
import { samplerBackend, samplerInput } from "./sampler.ts";
import { writeStudent } from "./student-folder.ts";
import { openTrainingDevice } from "./training-device.ts";

export function trainStage(context: Context): Stage {
  const { recipe } = context;
  const trainer = trainerOf(recipe);
  return {
    name: "train",
    after: trainer.teacher === "logprobs" ? ["logprobs"] : recipe.sampling ? ["select"] : [],
    inputs: () => trainInput(context, contentOf),
    foundation: () => trainInput(context, foundationOf),
    leaves: [NAMES.student, ...(recipe.lora ? [NAMES.adapter] : [])],
    async run({ key, fingerprint, folder: run, signal, requireUnchanged }) {
      const { model, trained, config, tokenizer, source } = studentToTrain(recipe, recipe.trainer, context.hub);
      const examples = await examplesOf(context, tokenizer, signal);
      if (!examples) return { stopped: true, result: {} };
      requireUnchanged();
      const { segments, validation } = examples;
      forgetOtherCheckpoints(run, fingerprint);
      const device = await openTrainingDevice(recipe, model, trained, examples);
      let materials: Awaited<ReturnType<typeof materialsOf>> | undefined;
      try {
        requireWidened(recipe.trainer.base_dtype, device);
        function* weights(parameters: readonly Parameter[]) {
          yield* startingWeights(recipe.student, model, parameters, recipe.trainer.seed);
          requireUnchanged();
        }
        const reading = { signal, requireUnchanged };
        materials = await materialsOf(context, device, { config, tokenizer, source }, examples, reading);
        requireUnchanged();
        const { given } = materials;
        const { trainer: options } = recipe;
        // checkpoints are for going on, and no part of what is left
        const { folder } = context;
        const training = { device, model, trained, weights, folder, fingerprint, key, signal };
        if (recipe.sampler) given.backend = samplerBackend(recipe.sampler, device, model, { config, tokenizer });
        const course = await trainer.create(options)({ ...training, ...given });
        const seen = segments ?? longestAnswers(recipe, given.prompts!);
        console.log(describe(model, trained, examples, given.prompts, device.name));
        const predicted = await foresee(
          model,
          trained,
          { segments: seen, validation },
          recipe,
          device,
          course.objective,
        );
        for (const line of describeEstimate(predicted).slice(0, segments ? undefined : 3)) console.log(line);
        requireMemory(predicted);
        const resident = watchResidentSet();
        const outcome = train(training, course, options)
          .catch((error: Error) => {
            throw isOutOfMemory(error)
              ? new DistillError(outOfMemory(error, predicted, resident.peak_mb()), { cause: error })
              : error;
          })
          .finally(resident.stop);
        const { step, steps, stopped, early, loss, tokens, sampled, best, done } = await outcome;
        const actual: Actual = {
          steps: done.steps,
          peak_rss_mb: Math.round(resident.peak_mb()),
          seconds: Number(done.seconds.toPrecision(3)),
          tokens_per_s: Math.round(done.tokens / (done.seconds || 1)),
        };
        if (stopped) {
          console.log(`Stopped after step ${step} of ${steps}. The same command continues from there.`);
          return { stopped, result: { step, steps, predicted, actual } };
        }
        if (done.steps > 0 && segments) console.log(`It took ${describeComparison(predicted, actual)}.`);
        await run.writeFolder(NAMES.student, key, async (folder) => {
          await writeStudent(device, model, { config, tokenizer }, folder);
        });
        if (recipe.lora)
          await run.writeFolder(NAMES.adapter, key, (folder) => saveTrained(readerOf(device), trained, folder));
        for (const file of [METRICS, CURVES])
          if (existsSync(join(folder.path, file))) run.keep(file, run.fileAsItIs(file));
        if (early)
          console.log(
            `It ended after step ${step} of ${steps}: trainer.early_stopping_patience measurements in turn gained nothing.`,
          );
        if (best)
          console.log(
            `Its weights are those after step ${best.step} of ${steps}, which scored best: ${course.source.evaluation!.describe(best.score)}.`,
          );
        console.log(`The student is in ${placeOf(context, "student")}.`);
        if (recipe.lora) console.log(`The adapter is in ${placeOf(context, "adapter")}.`);
        const counted = {
          ...(segments ? { examples: segments.length } : {}),
          ...(validation ? { validation_examples: validation.length } : {}),
          ...(early ? { ended_after: step } : {}),
          ...(best ? { best } : {}),
          ...(given.prompts ? { prompts: given.prompts.length, tokens_sampled: sampled } : {}),
        };
        return { result: { steps, loss, tokens, ...counted, device: device.name, predicted, actual } };
      } finally {
        await materials?.close();
        await device.close();
      }
    },
  };
}

/** Everything that the student hangs on; `optionsOf` says which of its trainer's options. */
function trainInput(context: Context, optionsOf: typeof contentOf): Record<string, unknown> {
  const { recipe } = context;
  const trainer = trainerOf(recipe);
  const { config, tokenizer } = openStudent(recipe);
  const asked = trainer.asks?.(recipe.trainer);
  return {
    trainer: optionsOf(trainer.options, recipe.trainer),
    student: "path" in recipe.student ? hashOf(context, recipe.student.path, "folder", "The student") : recipe.student,
    config,
    tokenizer: hashOf(context, tokenizer.folder, "folder", "The tokenizer"),
    ...renderingInput(recipe),
    ...(recipe.lora ? { lora: recipe.lora } : {}),
    ...("path" in recipe.student && recipe.student.adapter
      ? { adapter: hashOf(context, recipe.student.adapter, "folder", "The adapter") }
      : {}),
    ...(recipe.dataset ? { dataset: datasetContent(context, recipe.dataset) } : {}),
    ...validationInput(context),
    ...(recipe.selection.mix ? { mix: datasetContent(context, { mix: recipe.selection.mix }) } : {}),
    ...(asked
      ? { prompts: promptsInput(questions(asked.prompts, "train")), ...templateInput(context, tokenizer) }
      : {}),
    ...(asked?.evaluates ? { eval_prompts: promptsInput(questions(asked.evaluates, "test")) } : {}),
    ...(recipe.sampler ? { sampler: samplerInput(recipe.sampler) } : {}),
    ...(recipe.reference ? { reference: hashOf(context, recipe.reference.path, "folder", "The reference") } : {}),
    ...(trainer.judges ? { rewards: inputOfRules(context, recipe.rewards!) } : {}),
    ...(trainer.teacher === "model" ? { teacher: teacherInput(context) } : {}),
  };
}

const LOWER =
  "Lower trainer.max_length or per_device_train_batch_size, set trainer.gradient_checkpointing, or train an adapter (lora).";

/** Where the system has less than is foreseen, it would end the process without a word. */
function requireMemory({ peak_rss_mb }: TrainingEstimate): void {
  if (peak_rss_mb === null) return;
  const there = availableMemory() + Math.round(process.memoryUsage.rss() / 2 ** 20);
  if (peak_rss_mb > there)
    throw new DistillError(
      `Training is foreseen to take ${peak_rss_mb} MB of memory, and there are ${there} MB. ${LOWER}`,
    );
}

/** Where a device has memory of its own, what it says of that; else what the process took. */
const outOfMemory = (said: Error, { peak_rss_mb, memory_mb, device }: TrainingEstimate, peak: number) =>
  peak_rss_mb === null
    ? `${said.message} Training was foreseen to take ${memory_mb} MB of it.`
    : `Memory ran out in training on ${device}: ${peak_rss_mb} MB were foreseen, ${Math.round(peak)} MB taken, and ${availableMemory()} MB are free now. ${LOWER}`;

/** The folder of the trained student, once every byte of it is known to be what was written. */
export function wholeStudent(context: Context): string {
  const damage = context.folder.damageBeforeReading(NAMES.student);
  if (damage)
    throw new DistillError(`${damage}. The same command trains it again from its last checkpoint, if that is whole.`);
  return placeOf(context, "student");
}

/** What the student may answer at most: as many tokens as there is room for. */
function longestAnswers(recipe: Recipe, prompts: readonly PromptTokens[]): Segments {
  const { max_length } = recipe.trainer;
  const { max_completion_length } = trainerOf(recipe).asks!(recipe.trainer);
  return inMemory(
    prompts.map(({ tokens }) => {
      const length = Math.min(max_length, tokens.length + max_completion_length);
      const all = Array.from({ length }, (_, i) => tokens[i] ?? 0);
      return { tokens: all, supervised: all.map((_, i) => i >= tokens.length) };
    }),
  );
}

/** What training will take, as far as its dataset is there; or why its device says nothing of it. */
export async function foreseeTraining(
  context: Context,
  signal: AbortSignal,
): Promise<TrainingEstimate | { unusable: string } | undefined> {
  const { recipe } = context;
  if (trainerOf(recipe).needs !== "dataset") return undefined;
  if (!recipe.dataset && !existsSync(placeOf(context, "dataset"))) return undefined;
  const { model, trained, tokenizer } = studentToTrain(recipe, recipe.trainer, context.hub);
  const { segments, validation } = (await examplesOf(context, tokenizer, signal)) ?? {};
  if (!segments) return undefined;
  let device: Device;
  try {
    device = await openTrainingDevice(recipe, model, trained, { segments, validation });
  } catch (error) {
    if (error instanceof DistillError) return { unusable: error.message };
    throw error;
  }
  try {
    return await foresee(model, trained, { segments, validation }, recipe, device);
  } finally {
    await device.close();
  }
}

function describe(
  model: Model,
  trained: Trained,
  { segments, validation }: { segments?: Segments; validation?: Segments },
  prompts: readonly PromptTokens[] | undefined,
  device: string,
): string {
  const tokens = segments?.lengths.reduce((sum, length) => sum + length, 0);
  return [
    describeTrained(model, trained),
    ...(segments ? [`${segments.length} examples`, `${tokens} tokens`] : []),
    ...(validation ? [`measured on ${validation.length} more`] : []),
    ...(prompts ? [`${prompts.length} prompts`] : []),
    `on ${device}.`,
  ].join(", ");
}
