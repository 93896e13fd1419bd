/** @file The student, fine-tuned on the accepted traces or on a dataset of its own. */

import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { contentOf } from "../../core/component.ts";
import { DistillError, isOutOfMemory } from "../../core/errors.ts";
import { writeWhole } from "../../core/files.ts";
import { availableMemory } from "../../core/memory.ts";
import type { Segments } from "../../data/example-store.ts";
import { readExamples } from "../../data/examples.ts";
import { readLikely } from "../../data/likely.ts";
import { eosTokenId, TOKENIZER_FILES } from "../../data/tokenizer.ts";
import type { Model, Parameter } from "../../models/model.ts";
import { requireWidened } from "../../models/storage.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { Stage } from "../../recipe/stages.ts";
import { type Device, openDevice } from "../../runtime/device.ts";
import { measureRates } from "../../runtime/probe.ts";
import { watchResidentSet } from "../../runtime/resident-set.ts";
import { studentToTrain } from "../../student/model.ts";
import { openStudent } from "../../student/student.ts";
import { describeTrained, type Trained } from "../../student/trained.ts";
import { startingWeights } from "../../student/weights.ts";
import { forgetOtherCheckpoints, readerOf, saveModel, saveTrained } from "../../trainers/checkpoint.ts";
import {
  type Actual,
  describeComparison,
  describeEstimate,
  estimateTraining,
  type TrainingEstimate,
} from "../../trainers/estimate.ts";
import * as trainers from "../../trainers/index.ts";
import { METRICS } from "../../trainers/loop.ts";
import { type Trainer, trainWith } from "../../trainers/trainer.ts";
import { type Context, datasetOf, hashOf, NAMES, placeOf } from "./context.ts";
import { cacheOf, datasetContent } from "./example-cache.ts";
import { likelyPlace } from "./logprobs.ts";

export function trainStage(context: Context): Stage {
  const { recipe } = context;
  const dataset = datasetOf(context);
  const trainer = trainerOf(recipe);
  return {
    name: "train",
    after: trainer.teacher === "logprobs" ? ["logprobs"] : recipe.sampling ? ["select"] : [],
    inputs() {
      const { config, tokenizer } = openStudent(recipe);
      return {
        trainer: contentOf(trainer.options, recipe.trainer),
        student:
          "path" in recipe.student ? hashOf(context, recipe.student.path, "folder", "The student") : recipe.student,
        config,
        tokenizer: hashOf(context, tokenizer.folder, "folder", "The tokenizer"),
        ...(recipe.lora ? { lora: recipe.lora } : {}),
        ...("path" in recipe.student && recipe.student.adapter
          ? { adapter: hashOf(context, recipe.student.adapter, "folder", "The adapter") }
          : {}),
        ...(recipe.dataset ? { dataset: datasetContent(context, recipe.dataset) } : {}),
      };
    },
    leaves: [NAMES.student, ...(recipe.lora ? [NAMES.adapter] : [])],
    async run({ key, folder: run, signal }) {
      const { model, trained, config, tokenizer } = studentToTrain(recipe, recipe.trainer, context.hub);
      const examples = await readExamples(
        dataset,
        tokenizer,
        recipe.trainer,
        signal,
        cacheOf(context, dataset, tokenizer),
      );
      if (!examples) return { stopped: true, result: {} };
      const { segments, dropped } = examples;
      if (dropped.length > 0)
        console.error(
          `${dropped.length} of ${dropped.length + segments.length} examples are longer than ${recipe.trainer.max_length} tokens and were left out, not cut.`,
        );
      forgetOtherCheckpoints(run, key);
      const device = await openDevice(recipe.device, { threads: recipe.threads });
      try {
        requireWidened(recipe.trainer.base_dtype, device);
        const weights = (parameters: readonly Parameter[]) =>
          startingWeights(recipe.student, model, parameters, recipe.trainer.seed);
        console.log(describe(model, trained, segments, device.name));
        const { trainer: options } = recipe;
        const predicted = await foresee(model, trained, segments, recipe, device);
        for (const line of describeEstimate(predicted)) console.log(line);
        requireMemory(predicted);
        const resident = watchResidentSet();
        // checkpoints are for going on, and no part of what is left
        const { folder } = context;
        const training = { device, model, trained, weights, folder, fingerprint: key, signal };
        const { name, key: scored } = trainer.teacher === "logprobs" ? likelyPlace(context) : { name: "", key: "" };
        const likely = name ? readLikely({ folder: join(folder.path, name), key: scored }) : undefined;
        const outcome = trainWith(trainer, options, training, { segments, likely })
          .catch((error: Error) => {
            throw isOutOfMemory(error)
              ? new DistillError(outOfMemory(predicted, resident.peak_mb()), { cause: error })
              : error;
          })
          .finally(resident.stop);
        const { step, steps, stopped, loss, tokens, done } = await outcome;
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
        if (done.steps > 0) console.log(`It took ${describeComparison(predicted, actual)}.`);
        await run.writeFolder(NAMES.student, key, async (folder) => {
          await saveModel(device, model, config, folder);
          for (const file of TOKENIZER_FILES)
            if (existsSync(join(tokenizer.folder, file)))
              copyFileSync(join(tokenizer.folder, file), join(folder, file));
          writeWhole(
            join(folder, "generation_config.json"),
            `${JSON.stringify({ eos_token_id: eosTokenId(tokenizer), do_sample: false }, null, 2)}\n`,
          );
        });
        if (recipe.lora)
          await run.writeFolder(NAMES.adapter, key, (folder) => saveTrained(readerOf(device), trained, folder));
        run.keep(METRICS, run.fileAsItIs(METRICS));
        console.log(`The student is in ${placeOf(context, "student")}.`);
        if (recipe.lora) console.log(`The adapter is in ${placeOf(context, "adapter")}.`);
        return { result: { steps, loss, tokens, examples: segments.length, device: device.name, predicted, actual } };
      } finally {
        await device.close();
      }
    },
  };
}

export const trainerOf = ({ trainer }: Recipe): Trainer => (trainers as Record<string, Trainer>)[trainer.type]!;

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

const outOfMemory = ({ peak_rss_mb, memory_mb, device }: TrainingEstimate, peak: number) =>
  `Memory ran out in training on ${device}: ${peak_rss_mb ?? memory_mb} MB were foreseen, ${Math.round(peak)} MB taken, and ${availableMemory()} MB are free now. ${LOWER}`;

/** The folder of the trained student, once every byte of it is known to be what was written. */
export function wholeStudent(context: Context): string {
  const damage = context.folder.damageBeforeReading(NAMES.student);
  if (damage)
    throw new DistillError(`${damage}. The same command trains it again from its last checkpoint, if that is whole.`);
  return placeOf(context, "student");
}

const foresee = async (
  model: Model,
  { parameters }: Trained,
  segments: Segments,
  { trainer }: Recipe,
  device: Device,
) => estimateTraining(model, parameters, segments, trainer, device, await measureRates(device));

/** What training will take, as far as its dataset is there. */
export async function foreseeTraining(context: Context, signal: AbortSignal): Promise<TrainingEstimate | undefined> {
  const { recipe } = context;
  const dataset = datasetOf(context);
  if (!recipe.dataset && !existsSync((dataset as { path: string }).path)) return undefined;
  const { model, trained, tokenizer } = studentToTrain(recipe, recipe.trainer, context.hub);
  const examples = await readExamples(dataset, tokenizer, recipe.trainer, signal, cacheOf(context, dataset, tokenizer));
  if (!examples) return undefined;
  const device = await openDevice(recipe.device, { threads: recipe.threads });
  try {
    return await foresee(model, trained, examples.segments, recipe, device);
  } finally {
    await device.close();
  }
}

function describe(model: Model, trained: Trained, segments: Segments, device: string): string {
  const tokens = segments.lengths.reduce((sum, length) => sum + length, 0);
  return `${describeTrained(model, trained)}, ${segments.length} examples, ${tokens} tokens, on ${device}.`;
}
