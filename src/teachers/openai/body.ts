/** @file What is sent: the question and how it is to be answered. */

import { promptTokens } from "../../data/segments.ts";
import { prefilledThink } from "../../data/think.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import type { GenerateOptions, SampleRequest } from "../teacher.ts";
import type { Asked } from "./answer.ts";
import type { Identity } from "./identify.ts";
import type { Options } from "./options.ts";

/** Answers of more tokens are streamed, so that one that stalls is noticed and what came of it is known. */
const LONG = 1024;

export const streams = ({ stream }: Options, { max_completion_length }: GenerateOptions): boolean =>
  stream === "auto" ? max_completion_length > LONG : stream;

/** The body of a request. `refuses` are fields that the server turned out not to take. */
export function bodyOf(
  { prompt, messages }: SampleRequest,
  seed: number,
  asked: GenerateOptions,
  options: Options,
  { server, model }: Pick<Identity, "server" | "model">,
  {
    refuses,
    stream,
    tokenizer,
  }: { refuses: ReadonlyMap<string, number>; stream: boolean; tokenizer: Tokenizer | undefined },
): Record<string, unknown> {
  const { temperature, top_p, top_k, min_p, max_completion_length, stop, top_logprobs } = asked;
  const { endpoint, extra_body } = options;
  const limit = refuses.has("limit") ? "max_completion_tokens" : server.limit;
  const body: Record<string, unknown> = {
    model,
    ...(endpoint === "chat"
      ? { messages: messages ?? [{ role: "user", content: prompt }] }
      : {
          prompt: tokenizer ? (server.ids ? promptTokens(prompt, tokenizer) : withoutBos(prompt, tokenizer)) : prompt,
        }),
    [endpoint === "completions" ? "max_tokens" : limit]: max_completion_length,
    temperature,
    top_p,
    seed,
    ...server.drawing({ top_k, min_p }),
    ...(stop.length > 0 ? { stop } : {}),
    ...server.tokens(top_logprobs, endpoint),
    ...(stream
      ? { stream: true, ...(refuses.has("stream_options") ? {} : { stream_options: { include_usage: true } }) }
      : {}),
    ...extra_body,
  };
  for (const [field, value] of Object.entries(body)) if (value === null) delete body[field];
  return body;
}

/** A model that has a BOS gets it from the server. */
const withoutBos = (prompt: string, { bos, written }: Tokenizer) =>
  bos !== undefined && written.bos !== "" && prompt.startsWith(written.bos) ? prompt.slice(written.bos.length) : prompt;

/** What an answer to it is compared with. */
export function askedOf(
  { prompt }: SampleRequest,
  prompt_tokens: number,
  { top_logprobs }: GenerateOptions,
  { endpoint, reasoning }: Options,
  models: readonly string[],
  tokenizer: Tokenizer | undefined,
): Asked {
  const prefilled = endpoint === "completions" && prefilledThink(prompt) !== "";
  const count = (text: string) =>
    tokenizer ? tokenizer.encode(text).length : Math.ceil(Buffer.byteLength(text) / DENSE);
  return { endpoint, reasoning, models, prefilled, prompt_tokens, top_logprobs, count };
}

/** Bytes of a token where nobody counts them: fewer than most have. */
const DENSE = 3;

/** Bytes that a template puts around a turn, at most. */
const AROUND = 32;

/** The tokens of a prompt, counted where the tokenizer is known, else more than they can be: each has a byte at least. */
export function mostPromptTokens({ prompt, messages }: SampleRequest, tokenizer: Tokenizer | undefined): number {
  if (tokenizer) return promptTokens(prompt, tokenizer).length;
  const texts = messages?.map(({ content }) => content) ?? [prompt];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text) + AROUND, 0);
}
