/** @file The importance matrix of an export: one that is there, or what the student's matrices read of its training texts. */

import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { DistillError, Stopped } from "../../core/errors.ts";
import { makeFolder, writeWholeFrom } from "../../core/files.ts";
import { contentHash } from "../../core/hash.ts";
import { startProgress } from "../../core/progress.ts";
import { deriveSeed, seededRandom } from "../../core/random.ts";
import type { Segments } from "../../data/example-store.ts";
import { readExamples } from "../../data/examples.ts";
import { describeFindings } from "../../data/findings.ts";
import type { DatasetSource } from "../../data/sources.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { collectImportance } from "../../exporters/gguf/collect.ts";
import type { Importance, ImportanceOptions } from "../../exporters/gguf/importance.ts";
import { type ImportanceMatrix, readImportance, writeImportance } from "../../formats/imatrix.ts";
import { deviceOptions } from "../../recipe/device.ts";
import { openDevice } from "../../runtime/device.ts";
import { openStudent } from "../../student/student.ts";
import { versions } from "../versions.ts";
import { type Context, datasetOf, hashOf } from "./context.ts";
import { cacheOf, datasetContent, examplesInput } from "./example-cache.ts";
import { splitInput, trainedOn } from "./examples.ts";

/** What a matrix hangs on beside the student and what it was trained on, as an input of a stage. */
export function importanceInput(context: Context, options: ImportanceOptions): Record<string, unknown> {
  if ("path" in options) return { path: hashOf(context, options.path, "file", "The importance matrix") };
  const { tokens, dataset } = options;
  return { tokens, ...(dataset ? { dataset: datasetContent(context, dataset) } : {}) };
}

/** What gives the matrix that options ask for, of the student in `folder`. It throws Stopped where `signal` ended it. */
export function importanceFor(context: Context, folder: string, signal: AbortSignal) {
  return async (options: ImportanceOptions): Promise<Importance> => {
    if ("path" in options) return { matrix: readImportance(options.path), file: basename(options.path) };
    return { matrix: await ofTexts(context, folder, options, signal), file: "imatrix.gguf" };
  };
}

type OfTexts = Exclude<ImportanceOptions, { path: string }>;

/** The matrix from the run's cache, which it is put into first where it is not. */
async function ofTexts(
  context: Context,
  folder: string,
  { dataset, tokens }: OfTexts,
  signal: AbortSignal,
): Promise<ImportanceMatrix> {
  const { recipe } = context;
  const { tokenizer } = openStudent(recipe);
  const source = dataset ?? datasetOf(context);
  const key = contentHash({
    student: context.folder.hashes.folder(folder),
    examples: examplesInput(context, source, tokenizer, recipe.trainer.train_on),
    max_length: recipe.trainer.max_length,
    ...(dataset ? {} : splitInput(recipe)),
    tokens,
    distill: versions().distill,
  });
  const cache = context.folder.cache("importance");
  const kept = join(cache, `${key}.gguf`);
  const known = existsSync(kept) ? readKept(kept) : undefined;
  if (known) return known;
  const texts = await textsOf(context, source, dataset !== undefined, tokenizer, tokens, signal);
  const matrix = await collected(
    context,
    folder,
    texts,
    dataset ? nameOf(dataset) : `${recipe.name}'s training texts`,
    signal,
  );
  if (!context.folder.writable) return matrix;
  makeFolder(cache);
  await writeWholeFrom(kept, writeImportance(matrix));
  const newest = readdirSync(cache).sort((a, b) => statSync(join(cache, b)).mtimeMs - statSync(join(cache, a)).mtimeMs);
  for (const old of newest.slice(KEPT)) rmSync(join(cache, old), { force: true });
  return matrix;
}

/** Nothing where it is damaged: it can be made again. */
function readKept(path: string): ImportanceMatrix | undefined {
  try {
    return readImportance(path);
  } catch (error) {
    if (!(error instanceof DistillError)) throw error;
    console.error(`${error.message} It is made again.`);
    return undefined;
  }
}

/** A recipe may have several, and go back to one that it had. */
const KEPT = 4;

/** Files by their names: a model's file says nothing of the machine that it was made on. */
const nameOf = ({ path }: { path: string | readonly string[] }): string =>
  [path]
    .flat()
    .map((one) => basename(one))
    .join(", ");

/** Texts from all over the dataset, in an order by chance, of so many tokens at most; the last is cut where they end. */
async function textsOf(
  context: Context,
  source: DatasetSource,
  isGiven: boolean,
  tokenizer: Tokenizer,
  tokens: number,
  signal: AbortSignal,
): Promise<number[][]> {
  const { recipe } = context;
  const options = { ...recipe.trainer, ...(isGiven ? { overlength: "drop" as const } : {}) };
  const cache = cacheOf(context, source, tokenizer, recipe.trainer);
  const examples = await readExamples(source, tokenizer, options, signal, cache);
  if (!examples) throw new Stopped();
  const { name, segments, dropped, findings } = examples;
  if (!isGiven) return chosen(trainedOn(recipe, segments), tokens);
  for (const line of describeFindings(name, findings)) console.error(line);
  if (dropped.length > 0)
    console.error(
      `${dropped.length} of ${dropped.length + segments.length} texts for the importance matrix are longer than ${recipe.trainer.max_length} tokens and were left out.`,
    );
  return chosen(segments, tokens);
}

function chosen(segments: Segments, tokens: number): number[][] {
  const order = seededRandom(deriveSeed(0, "importance")).shuffled(
    Array.from({ length: segments.length }, (_, i) => i),
  );
  const texts: number[][] = [];
  let left = tokens;
  for (const i of order) {
    if (left === 0) break;
    const text = segments.at(i).tokens.slice(0, left);
    texts.push(text);
    left -= text.length;
  }
  return texts;
}

async function collected(
  { recipe }: Context,
  folder: string,
  texts: readonly (readonly number[])[],
  dataset: string,
  signal: AbortSignal,
): Promise<ImportanceMatrix> {
  const count = texts.reduce((sum, { length }) => sum + length, 0);
  const device = await openDevice(recipe.device, deviceOptions(recipe));
  const progress = startProgress("importance", count, "token");
  const onTokens = (tokens: number) => progress.update(tokens);
  try {
    const matrix = await collectImportance(device, folder, texts, dataset, { onTokens, signal });
    if (!matrix) throw new Stopped();
    return matrix;
  } finally {
    progress.end();
    await device.close();
  }
}
