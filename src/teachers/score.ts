/** @file What a teacher finds likely in examples: at each token that is learned. */

import { DistillError } from "../core/errors.ts";
import type { Segment } from "../data/batch.ts";
import { type Likely, likelyOf, likelyToken } from "../data/likely.ts";
import type { ScoreOptions, Teacher } from "./teacher.ts";

/** Throw where a teacher cannot say how likely its k most likely tokens are. */
export function requireScores({ model, score, vocabulary }: Teacher, k: number): void {
  if (!score)
    throw new DistillError(
      `The teacher ${model} gives no log-probabilities of texts, which trainer.type asks of it. Take a teacher of the type llama_cpp or engine, or trainer.type sft.`,
    );
  const { length } = vocabulary();
  if (k > length)
    throw new DistillError(`trainer.top_logprobs is ${k}, and the teacher ${model} has ${length} tokens. Lower it.`);
}

/** The k most likely tokens at each learned token of each text, as they are scored; or why there is nothing. */
export async function* scoreSegments(
  teacher: Teacher,
  segments: readonly Segment[],
  options: ScoreOptions,
): AsyncGenerator<
  { index: number; likely: Likely; error?: undefined } | { index: number; likely?: undefined; error: string }
> {
  const requests = segments.map(({ tokens, supervised }) => ({
    tokens,
    from: Math.max(1, supervised.indexOf(true, 1)),
  }));
  for await (const { index, top_logprobs, error } of teacher.score!(requests, options)) {
    if (error !== undefined) yield { index, error };
    else {
      const { from } = requests[index]!;
      const learned = top_logprobs.filter((_, i) => segments[index]!.supervised[from + i]);
      yield { index, likely: likelyOf(learned.map((token) => likelyToken(token, options.top_logprobs))) };
    }
  }
}
