/** @file What a sampler is asked for, and what it answers. */

import { DistillError } from "../core/errors.ts";
import { seededRandom } from "../core/random.ts";
import type { Model } from "../models/model.ts";
import type { DrawOptions } from "./draw.ts";

/** A completion to draw. */
export type CompletionRequest = {
  /** The prompt. Requests of equal prompts that begin together read it once. */
  tokens: readonly number[];
  /** The same request with the same seed gives the same tokens whatever others it is drawn with, up to rounding. */
  seed: number;
};

export type CompletionOptions = Partial<DrawOptions> & {
  /** Tokens; a completion that reaches it, or with its prompt context_size, has finish_reason "length". */
  max_completion_length: number;
  /** Tokens of a prompt with its completion; max_position_embeddings unless given. */
  context_size?: number;
  /** How many are drawn side by side. */
  sequences?: number;
  /** Ends early; completions that are not finished are dropped. */
  signal?: AbortSignal | undefined;
  /** Called while work goes on with the number of tokens generated so far. */
  onTokens?: ((tokens: number) => void) | undefined;
  /** Called with the probabilities that each token of a request is drawn from, at temperature 1; they are read at once. */
  onDistribution?: ((request: number, probabilities: Float32Array) => void) | undefined;
  /** Called with the tokens of a completion, by the number of its request, as they grow. */
  onText?: ((index: number, tokens: readonly number[]) => void) | undefined;
};

export type Completion = {
  /** Of the request, from 0. */
  index: number;
  /** With the stop token, where one ended it. */
  tokens: number[];
  finish_reason: "stop" | "length";
  /** Of each token, in the model's own distribution: at temperature 1, with nothing cut. */
  logprobs: number[];
};

/** A completion as it grows. */
export type Text = {
  index: number;
  prompt: readonly number[];
  tokens: number[];
  logprobs: number[];
  /** The stream of random numbers that it is drawn with. */
  uniform: () => number;
};

/** Take requests as they are needed. Throws where one cannot be continued by `model`, which errors call `source`. */
export function takeTexts(
  requests: Iterable<CompletionRequest>,
  model: Model,
  source: string,
): (count: number) => Text[] {
  const queue = requests[Symbol.iterator]();
  let [index, done] = [0, false];
  return (count) => {
    const texts: Text[] = [];
    while (texts.length < count && !done) {
      const next = queue.next();
      done = next.done === true;
      if (next.done) break;
      const { tokens, seed } = next.value;
      refuse(tokens, `The prompt of request ${index}`, model, source);
      texts.push({ index: index++, prompt: tokens, tokens: [], logprobs: [], uniform: seededRandom(seed).uniform });
    }
    return texts;
  };
}

function refuse(tokens: readonly number[], what: string, model: Model, source: string): void {
  const [vocab, longest] = [model.head.shape[0] as number, model.max_position_embeddings];
  if (tokens.length === 0) throw new DistillError(`${what} has no tokens. Give at least one.`);
  if (tokens.length >= longest)
    throw new DistillError(
      `${what} has ${tokens.length} tokens, and ${source} reads texts of at most ${longest} (max_position_embeddings), which leaves no room for a completion. Give a shorter one.`,
    );
  const stranger = tokens.find((id) => !(id >= 0 && id < vocab));
  if (stranger !== undefined)
    throw new DistillError(
      `${what} has the token ${stranger}, and ${source} has the tokens 0 to ${vocab - 1}. Encode it with the model's own tokenizer.`,
    );
}
