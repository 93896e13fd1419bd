/** @file distill train: from a recipe to a student folder. */

import { createHash } from "node:crypto";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { create } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { readJson, writeFolder, writeWhole } from "../core/files.ts";
import type { Segment } from "../data/batch.ts";
import * as generators from "../data/generators/index.ts";
import { readTrainingRows, type TrainingRow } from "../data/rows.ts";
import { toSegment } from "../data/segments.ts";
import { loadTokenizer, TOKENIZER_FILES, type Tokenizer } from "../data/tokenizer.ts";
import { createModel, initialWeights, loadWeights, type ModelConfig, readConfig } from "../models/load.ts";
import { contentHash, type DatasetSource, type Recipe, readRecipe } from "../recipe/recipe.ts";
import { openDevice } from "../runtime/device.ts";
import { saveModel } from "../trainers/checkpoint.ts";
import { trainSft } from "../trainers/sft.ts";

export async function train(recipePath: string, overrides: readonly string[], signal: AbortSignal): Promise<void> {
  const recipe = readRecipe(recipePath, overrides);
  const { config, tokenizer, source } = openStudent(recipe);
  const model = createModel(config, source);
  const segments = tokenized(recipe, tokenizer);
  if (tokenizer.size > (config.vocab_size as number))
    throw new DistillError(
      `The tokenizer ${tokenizer.folder} has ${tokenizer.size} tokens, and the student a vocab_size of ${config.vocab_size}.`,
    );

  const output = recipe.output!;
  // how often to log and to save is no part of what is trained
  const trainer = { ...recipe.trainer, logging_steps: 0, save_steps: 0, save_total_limit: 0 };
  const fingerprint = contentHash({ trainer, student: recipe.student, config, segments: hashOf(segments) });
  claimOutput(output, recipe, fingerprint);
  const student = join(output, "student");
  if (readFingerprint(student) === fingerprint)
    return console.log(`Up to date: ${student} was trained with these settings.`);

  const device = await openDevice(recipe.device, { threads: recipe.threads });
  try {
    const weights = () =>
      "path" in recipe.student ? loadWeights(recipe.student.path, model) : initialWeights(model, recipe.student.seed);
    console.log(describe(model.parameters, segments, device.name));
    const { step, steps, stopped } = await trainSft({
      device,
      model,
      config,
      weights,
      segments,
      options: recipe.trainer,
      output,
      fingerprint,
      signal,
    });
    if (stopped) return console.log(`Stopped after step ${step} of ${steps}. The same command continues from there.`);
    await writeFolder(student, async (folder) => {
      await saveModel(device, model, config, folder);
      for (const file of TOKENIZER_FILES)
        if (existsSync(join(tokenizer.folder, file))) copyFileSync(join(tokenizer.folder, file), join(folder, file));
      writeWhole(
        join(folder, "generation_config.json"),
        `${JSON.stringify({ eos_token_id: tokenizer.eos, do_sample: false }, null, 2)}\n`,
      );
      writeWhole(join(folder, "training.json"), `${JSON.stringify({ fingerprint, steps })}\n`);
    });
    console.log(`The student is in ${student}.`);
  } finally {
    await device.close();
  }
}

/** The student's config and tokenizer; `source` names the config in errors. */
export function openStudent({ student, tokenizer }: Recipe): {
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
    architectures: [architectureOf(student.config.model_type)],
    vocab_size: opened.size,
    eos_token_id: opened.eos,
    ...student.config,
  };
  return { config, tokenizer: opened, source: "The recipe's student.config" };
}

const architectureOf = (type: string) => `${type.charAt(0).toUpperCase()}${type.slice(1)}ForCausalLM`;

function tokenized(recipe: Recipe, tokenizer: Tokenizer): Segment[] {
  const { max_length, overlength } = recipe.trainer;
  const name = "path" in recipe.dataset ? recipe.dataset.path : "The generated dataset";
  const segments: Segment[] = [];
  let dropped = 0;
  for (const [i, row] of trainingRows(recipe.dataset, tokenizer).entries()) {
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

/** Problems that a program writes are conversations where the tokenizer has a template for them. */
function trainingRows(dataset: DatasetSource, { conversational }: Tokenizer): TrainingRow[] {
  if ("path" in dataset) return readTrainingRows(dataset.path);
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

/** A hash of what is trained on, taken piece by piece. */
function hashOf(segments: readonly Segment[]): string {
  const hash = createHash("sha256");
  for (const { tokens, supervised } of segments)
    hash.update(Int32Array.from(tokens)).update(Uint8Array.from(supervised, Number));
  return hash.digest("hex").slice(0, 16);
}

/** Refuse a folder that holds another recipe's run. */
function claimOutput(output: string, recipe: Recipe, fingerprint: string): void {
  const path = join(output, "manifest.json");
  if (existsSync(path)) {
    const { name } = readJson(path, "The run's manifest") as { name?: string };
    if (name !== recipe.name)
      throw new DistillError(`${output} belongs to the recipe "${name}". Give "${recipe.name}" another output.`);
  }
  writeWhole(path, `${JSON.stringify({ name: recipe.name, fingerprint, recipe }, null, 2)}\n`);
}

function readFingerprint(student: string): string | undefined {
  const path = join(student, "training.json");
  return existsSync(path)
    ? (readJson(path, "The student's training.json") as { fingerprint?: string }).fingerprint
    : undefined;
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
