/** @file What differs between servers that speak OpenAI's protocol. */

import { z } from "zod";

/** What a server says of itself before it is asked anything; undefined where it has no such path. */
export type Facts = {
  host: string;
  /** The list of its models, as they are. */
  models: readonly Model[] | undefined;
  props: unknown;
};

const Model = z.looseObject({
  id: z.string(),
  owned_by: z.string().nullish(),
  aliases: z.array(z.string()).nullish(),
  max_model_len: z.number().nullish(),
  meta: z.looseObject({ n_ctx: z.number().nullish() }).nullish(),
});
export type Model = z.output<typeof Model>;
export const Models = z.looseObject({ data: z.array(Model) });

export type Endpoint = "chat" | "completions";

export type Server = {
  /** How it is called in sentences. */
  name: string;
  is(facts: Facts): boolean;
  /** The field in which it reads the limit of tokens. */
  limit: "max_tokens" | "max_completion_tokens";
  /** Fields that make it draw as it is asked: it knows top_k and min_p, and has defaults of its own for what is left out. */
  drawing(options: { top_k: number; min_p: number }): Record<string, unknown>;
  /** Fields for which it tells the ids of tokens, and the `k` most likely ones where k > 0. */
  tokens(k: number, endpoint: Endpoint): Record<string, unknown>;
  /** Requests that it works on side by side, and the tokens that one of them may have, where it says so. */
  slots?(facts: Facts): number | undefined;
  context(facts: Facts, model: Model | undefined): number | undefined;
  /** Whether it takes a prompt as token ids. To one that does not, the text goes without the BOS that it puts in front. */
  ids: boolean;
  /** The path and body that count the tokens of a text, and where the count is in what comes. */
  tokenize?: { path: string; body(text: string, model: string): object; count(reply: unknown): number | undefined };
  /** Whether an answer whose reader went away can be had later, under the name that its request was given. */
  resumable?: boolean;
};

/** The fields by which the k most likely tokens are asked for. */
export const likely = (k: number, endpoint: Endpoint): Record<string, unknown> =>
  k === 0 ? {} : endpoint === "chat" ? { logprobs: true, top_logprobs: k } : { logprobs: k };

export const lengthOf = (reply: unknown, key: string): number | undefined => {
  const found = z.looseObject({ [key]: z.array(z.unknown()) }).safeParse(reply);
  return found.success ? (found.data[key] as unknown[]).length : undefined;
};
