/** @file Where the rows that are trained on come from. */

import { create } from "../core/component.ts";
import { deriveSeed, seededRandom } from "../core/random.ts";
import { type DatasetPath, describePath } from "./files/places.ts";
import * as generators from "./generators/index.ts";
import { type ReadingRow, type ReadOptions, readTrainingRows } from "./rows.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How often each row of a dataset comes, on average; of what is left of a whole number a share of the rows, by a seed. */
type Weighed = { weight?: number | undefined };

/** Where rows come from: files or folders, the first `limit` of their rows, a program that writes them, or several of these. */
export type DatasetSource =
  | ({ path: DatasetPath; limit?: number | undefined } & ReadOptions & Weighed)
  | ({ generate: { type: string }; rows: number; seed: number } & Weighed)
  | { mix: readonly DatasetSource[] };

/** How a dataset is named in sentences. */
export const nameOf = (source: DatasetSource): string =>
  "path" in source ? describePath(source.path) : "mix" in source ? "The mixed dataset" : "The generated dataset";

/** Conversations where the tokenizer has a template for them, else prompts with completions. */
export async function* trainingRows(
  source: DatasetSource,
  tokenizer: Pick<Tokenizer, "template">,
): AsyncGenerator<ReadingRow> {
  if ("mix" in source) {
    for (const [i, one] of source.mix.entries()) yield* weighed(trainingRows(one, tokenizer), one, i);
    return;
  }
  if ("path" in source) {
    const { path, limit = Number.POSITIVE_INFINITY } = source;
    let left = limit;
    for await (const read of readTrainingRows(path, tokenizer.template !== undefined ? "messages" : "prompt", source)) {
      yield read;
      if (!("dropped" in read || "stale" in read) && --left === 0) return;
    }
    return;
  }
  const problems = create(generators, source.generate, "generator")("train", source.seed);
  let made = 0;
  for (const { prompt, completion } of problems) {
    yield { where: `The generated dataset, row ${++made}`, row: { prompt, completion }, unread: [] };
    if (made === source.rows) return;
  }
}

/** Rows as often as their dataset's weight says. */
async function* weighed(rows: AsyncGenerator<ReadingRow>, source: DatasetSource, which: number) {
  const weight = ("weight" in source ? source.weight : undefined) ?? 1;
  const random = seededRandom(deriveSeed(0, "weight", which));
  for await (const row of rows) {
    if ("stale" in row) {
      yield row;
      continue;
    }
    const times = Math.floor(weight) + Number(random.uniform() < weight % 1);
    for (let i = 0; i < times; i++) yield row;
  }
}
