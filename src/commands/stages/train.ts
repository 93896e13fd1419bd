/** @file The student, fine-tuned on the accepted traces or on a dataset of its own. */

import { createHash } from "node:crypto";
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { create } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import { writeFolder, writeWhole } from "../../core/files.ts";
import type { Segment } from "../../data/batch.ts";
import * as generators from "../../data/generators/index.ts";
import { readTrainingRows, type TrainingRow } from "../../data/rows.ts";
import { toSegment } from "../../data/segments.ts";
import { loadTokenizer, TOKENIZER_FILES, type Tokenizer } from "../../data/tokenizer.ts";
import {
  architectureOf,
  createModel,
  initialWeights,
  loadWeights,
  type ModelConfig,
  readConfig,
} from "../../models/load.ts";
import type { DatasetSource, Recipe } from "../../recipe/recipe.ts";
import type { Stage } from "../../recipe/stages.ts";
import { openDevice } from "../../runtime/device.ts";
import { saveModel } from "../../trainers/checkpoint.ts";
import { trainSft } from "../../trainers/sft.ts";
import { type Context, datasetFolder, hashOf, studentFolder } from "./context.ts";

/** How often to log and to save is no part of what is trained. */
const NOT_CONTENT = ["logging_steps", "save_steps", "save_total_limit"];

export function trainStage(context: Context): Stage {
  const { recipe, output } = context;
  const student = studentFolder(context);
  const dataset = recipe.dataset ?? { path: datasetFolder(context) };
  return {
    name: "train",
    after: recipe.sampling ? ["select"] : [],
    inputs() {
      const trainer = Object.entries(recipe.trainer).filter(([key]) => !NOT_CONTENT.includes(key));
      const { config, tokenizer } = openStudent(recipe);
      return {
        trainer: Object.fromEntries(trainer),
        student:
          "path" in recipe.student ? hashOf(context, recipe.student.path, "folder", "The student") : recipe.student,
        config,
        tokenizer: hashOf(context, tokenizer.folder, "folder", "The tokenizer"),
        ...(recipe.dataset ? { dataset: contentOf(recipe.dataset) } : {}),
      };
    },
    outputs: [student],
    async run({ key, previous, signal }) {
      const { config, tokenizer, source } = openStudent(recipe);
      const model = createModel(config, source);
      if (tokenizer.size > (config.vocab_size as number))
        throw new DistillError(
          `The tokenizer ${tokenizer.folder} has ${tokenizer.size} tokens, and the student a vocab_size of ${config.vocab_size}.`,
        );
      const segments = tokenized(recipe, dataset, tokenizer);
      if (previous !== undefined && previous !== key)
        rmSync(join(output, "checkpoints"), { recursive: true, force: true });
      const device = await openDevice(recipe.device, { threads: recipe.threads });
      try {
        const weights = () =>
          "path" in recipe.student
            ? loadWeights(recipe.student.path, model)
            : initialWeights(model, recipe.student.seed);
        console.log(describe(model.parameters, segments, device.name));
        const { trainer: options } = recipe;
        const run = { device, model, config, weights, segments, options, output, fingerprint: key, signal };
        const { step, steps, stopped, loss, tokens } = await trainSft(run);
        if (stopped) {
          console.log(`Stopped after step ${step} of ${steps}. The same command continues from there.`);
          return { stopped, result: { step, steps } };
        }
        await writeFolder(student, async (folder) => {
          await saveModel(device, model, config, folder);
          for (const file of TOKENIZER_FILES)
            if (existsSync(join(tokenizer.folder, file)))
              copyFileSync(join(tokenizer.folder, file), join(folder, file));
          writeWhole(
            join(folder, "generation_config.json"),
            `${JSON.stringify({ eos_token_id: tokenizer.eos, do_sample: false }, null, 2)}\n`,
          );
        });
        console.log(`The student is in ${student}.`);
        return { result: { steps, loss, tokens, examples: segments.length, device: device.name } };
      } finally {
        await device.close();
      }
    },
  };
}

/** The student's config and tokenizer; `source` names the config in errors. */
export function openStudent({ student, tokenizer }: Pick<Recipe, "student" | "tokenizer">): {
  config: ModelConfig;
  tokenizer: Tokenizer;
  source: string;
} {
  if ("path" in student) {
    if (!existsSync(student.path))
      throw new DistillError(
        `Student not found: ${student.path}. Expected an HF folder with config.json and safetensors.`,
      );
    return {
      config: readConfig(student.path),
      tokenizer: loadTokenizer(tokenizer ?? student.path),
      source: join(student.path, "config.json"),
    };
  }
  if (!tokenizer)
    throw new DistillError(
      "The recipe makes a new student and names no tokenizer. Give tokenizer: a folder with tokenizer.json.",
    );
  const opened = loadTokenizer(tokenizer);
  const config: ModelConfig = {
    architectures: [architectureOf(student.config, "The recipe's student.config")],
    vocab_size: opened.size,
    eos_token_id: opened.eos,
    ...student.config,
  };
  return { config, tokenizer: opened, source: "The recipe's student.config" };
}

/** What a dataset's content hangs on. */
function contentOf(dataset: DatasetSource): unknown {
  if (!("path" in dataset)) return dataset;
  const hash = createHash("sha256");
  for (const row of readTrainingRows(dataset.path)) hash.update(`${JSON.stringify(row)}\n`);
  return hash.digest("hex").slice(0, 16);
}

function tokenized(recipe: Recipe, dataset: DatasetSource, tokenizer: Tokenizer): Segment[] {
  const { max_length, overlength } = recipe.trainer;
  const name = "path" in dataset ? dataset.path : "The generated dataset";
  const segments: Segment[] = [];
  let dropped = 0;
  for (const [i, row] of trainingRows(dataset, tokenizer).entries()) {
    const segment = { ...toSegment(row, tokenizer, `${name}, row ${i + 1}`), row: i + 1 };
    if (segment.tokens.length <= max_length) segments.push(segment);
    else if (overlength === "error")
      throw new DistillError(
        `${name}, row ${i + 1} has ${segment.tokens.length} tokens, and max_length is ${max_length}. Raise it, or set trainer.overlength to drop.`,
      );
    else dropped++;
  }
  if (dropped > 0)
    console.error(
      `${dropped} of ${dropped + segments.length} rows are longer than ${max_length} tokens and were left out, not cut.`,
    );
  if (segments.length === 0)
    throw new DistillError(`No row of ${name} fits into ${max_length} tokens. Raise trainer.max_length.`);
  return segments;
}

/** Conversations where the tokenizer has a template for them, else prompts with completions. */
function trainingRows(dataset: DatasetSource, { conversational }: Tokenizer): TrainingRow[] {
  if ("path" in dataset) return readTrainingRows(dataset.path, conversational ? "messages" : "prompt");
  const problems = create(generators, dataset.generate, "generator")("train", dataset.seed);
  const rows: TrainingRow[] = [];
  for (const { prompt, completion } of problems) {
    const turns = [
      { role: "user", content: prompt },
      { role: "assistant", content: completion },
    ];
    rows.push(conversational ? { messages: turns } : { prompt, completion });
    if (rows.length === dataset.rows) break;
  }
  return rows;
}

function describe(
  parameters: readonly { shape: readonly number[] }[],
  segments: readonly Segment[],
  device: string,
): string {
  const size = parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const tokens = segments.reduce((sum, segment) => sum + segment.tokens.length, 0);
  return `${(size / 1e6).toFixed(2)} M parameters, ${segments.length} examples, ${tokens} tokens, on ${device}.`;
}
