/** @file What is asked of a teacher, and what came of it as a row. */

import { contentHash } from "../core/hash.ts";
import { deriveSeed } from "../core/random.ts";
import type { Message, Prompt } from "../core/trace.ts";
import { storedTop } from "../data/likely.ts";
import { reasoningOf } from "../data/think.ts";
import type { Draw } from "../data/traces.ts";
import type { Finished, Generation, SampleRequest, Teacher } from "../teachers/teacher.ts";
import type { SamplerOptions } from "./options.ts";

export type Request = SampleRequest & { messages: Message[]; id: string };

/** The request for a sample of a prompt. */
export function requestFor(
  teacher: Pick<Teacher, "render">,
  prompt: Prompt,
  sample: number,
  options: SamplerOptions,
): Request {
  const messages = conversationOf(prompt, options);
  return {
    prompt: teacher.render(messages),
    messages,
    id: `${contentHash([prompt.id, prompt.prompt])}-${sample}`,
    seed: deriveSeed(options.seed, prompt.id, sample),
  };
}

/** What is asked: the question, behind the system's turn where there is one. */
export function conversationOf(
  { prompt }: Prompt,
  { system_prompt }: Pick<SamplerOptions, "system_prompt">,
): Message[] {
  const user = { role: "user", content: prompt };
  return system_prompt === undefined ? [user] : [{ role: "system", content: system_prompt }, user];
}

/** What became of it, as a row. */
export function drawOf(
  teacher: Pick<Teacher, "model" | "hash" | "paid">,
  options: SamplerOptions,
  { prompt, sample }: { prompt: Prompt; sample: number },
  { messages, prompt: prompt_text, seed }: Request,
  { generation, error, ...drawn }: Finished,
): Draw {
  const { temperature, top_p, top_k, min_p, max_completion_length, top_logprobs } = options;
  const { completion, token_ids, prompt_tokens, finish_reason, ...given } = generation ?? NOTHING;
  return {
    prompt_id: prompt.id,
    sample,
    prompt: prompt.prompt,
    answer: prompt.answer ?? null,
    messages,
    prompt_text,
    reasoning: reasoningOf(completion),
    completion,
    token_ids,
    prompt_tokens,
    finish_reason,
    error: error ?? null,
    teacher: teacher.model,
    teacher_hash: teacher.hash ?? null,
    temperature,
    top_p,
    top_k,
    min_p,
    max_completion_length,
    seed: "seed" in drawn && drawn.seed !== undefined ? drawn.seed : seed,
    ...(teacher.paid ? { served: given.served ?? null } : {}),
    ...(top_logprobs === undefined ? {} : storedTop(given.top_logprobs ?? [], top_logprobs)),
  };
}

/** Of a prompt that could not be asked. */
const NOTHING: Generation = { completion: "", token_ids: [], prompt_tokens: 0, finish_reason: "error" };
