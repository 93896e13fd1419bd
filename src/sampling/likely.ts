/** @file What a teacher finds likely at the tokens of a dataset's examples: what is stored with them, and the rest scored. */

import { DistillError } from "../core/errors.ts";
import { startProgress } from "../core/progress.ts";
import type { Segment } from "../data/batch.ts";
import type { Segments } from "../data/example-store.ts";
import { likelyOf, likelyToken, openLikely, type StoredRow } from "../data/likely.ts";
import { requireScores, scoreSegments } from "../teachers/score.ts";
import type { Teacher } from "../teachers/teacher.ts";

export type LikelyRun = {
  segments: Segments;
  /** How many most likely tokens are kept at each token. */
  top_logprobs: number;
  /** Where they are kept: what an earlier run scored is not scored again. */
  place: { folder: string; key: string };
  /** What is stored with rows of the dataset. */
  stored: AsyncIterable<StoredRow>;
  /** Opened where something is to be scored; nothing where there is no teacher. */
  teacher: (() => Promise<Teacher>) | undefined;
  signal?: AbortSignal | undefined;
};

export type LikelyResult = {
  stopped: boolean;
  examples: number;
  /** Of them: scored by the teacher in this and earlier runs; the others came with the dataset. */
  scored: number;
  /** Tokens that the teacher read for that in this run. */
  tokens_scored: number;
  /** The mean probability of tokens beyond the known. */
  tail: number;
};

/** Keep what is likely at the supervised tokens of each example, each once. */
export async function scoreExamples(run: LikelyRun): Promise<LikelyResult> {
  const { segments, top_logprobs: k, signal } = run;
  const kept = openLikely(run.place);
  const missing = new Set<number>();
  for (let i = 0; i < segments.length; i++) if (!kept.has(segments.numbers[i]!)) missing.add(i);
  const before = segments.length - missing.size;
  let [taken, tokens_scored, fewest] = [0, 0, Number.POSITIVE_INFINITY];
  try {
    if (missing.size > 0) {
      const byRow = new Map<number, number[]>();
      for (const i of missing) byRow.set(segments.rows[i]!, [...(byRow.get(segments.rows[i]!) ?? []), i]);
      for await (const { row, token_ids, tokens } of run.stored) {
        if (signal?.aborted) break;
        const i = byRow.get(row)?.find((example) => sameTokens(completionOf(segments.at(example)), token_ids));
        if (i === undefined) continue;
        fewest = tokens.reduce((least, { ids }) => Math.min(least, ids.length), fewest);
        if (tokens.length !== token_ids.length || tokens.some(({ ids }) => ids.length < k)) continue;
        kept.keep(segments.numbers[i]!, likelyOf(tokens.map((token) => likelyToken(token, k))));
        missing.delete(i);
        taken++;
      }
      if (missing.size > 0 && !signal?.aborted) tokens_scored = await scoreMissing(run, missing, kept, fewest);
    }
  } finally {
    kept.close();
  }
  const { examples, tail } = kept.summary();
  const scored = segments.length - before - taken - missing.size;
  return { stopped: signal?.aborted ?? false, examples, scored, tokens_scored, tail };
}

/** Score what is missing; the number of tokens that were read. */
async function scoreMissing(
  { segments, top_logprobs: k, teacher: open, signal }: LikelyRun,
  missing: Set<number>,
  kept: ReturnType<typeof openLikely>,
  fewest: number,
): Promise<number> {
  if (!open) {
    const why = Number.isFinite(fewest)
      ? `only the ${fewest} most likely tokens are stored with some of them, and trainer.top_logprobs is ${k}; lower it`
      : "none are stored with them";
    throw new DistillError(
      `${missing.size} of ${segments.length} examples have no log-probabilities of a teacher: ${why}, or name the teacher that is to score them.`,
    );
  }
  const teacher = await open();
  const order = [...missing];
  const progress = startProgress("score", order.length, "example");
  const start = performance.now();
  let [done, tokens] = [0, 0];
  let refused: string | undefined;
  try {
    requireScores(teacher, k);
    const texts = order.map((i) => segments.at(i));
    const onTokens = (read: number) => {
      tokens = read;
      const rate = read / ((performance.now() - start) / 1000);
      progress.update(done, `${rate.toFixed(0)} tokens/s`);
    };
    const options = { top_logprobs: k, onTokens, ...(signal ? { signal } : {}) };
    for await (const { index, error, likely } of scoreSegments(teacher, texts, options)) {
      done++;
      const i = order[index]!;
      if (error !== undefined) {
        refused ??= `Dataset row ${segments.rows[i]}: ${error}`;
        continue;
      }
      kept.keep(segments.numbers[i]!, likely);
      missing.delete(i);
      onTokens(tokens);
    }
  } finally {
    progress.end();
    await teacher.close();
  }
  if (refused !== undefined && !signal?.aborted) throw new DistillError(refused);
  return tokens;
}

const completionOf = ({ tokens, supervised }: Segment): number[] => tokens.filter((_, i) => i > 0 && supervised[i]);

const sameTokens = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((token, i) => token === b[i]);
