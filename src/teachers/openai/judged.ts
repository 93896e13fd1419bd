/** @file What came of an attempt, as it is written down and given on. */

import type { Served } from "../../core/trace.ts";
import type { Answered, Attempt, Ending } from "../../data/journal.ts";
import type { Finished, Generation, SampleRequest } from "../teacher.ts";
import { type Answer, answerIn } from "./answer.ts";
import { type Assembler, assemble } from "./assemble.ts";
import type { Asking, Came, Client, Progress, Question } from "./attempt.ts";
import { askedOf, mostPromptTokens } from "./body.ts";
import type { Reply } from "./exchange.ts";
import { type Fault, faultOfStatus, usedUpFor } from "./faults.ts";
import type { Mask } from "./secrets.ts";
import { usedBy, usedInVain } from "./used.ts";

/** A reply, and what was put together of its body. */
export type Replied = { reply: Reply; assembled: { assembled: Assembler; shaped: boolean }; stream: boolean };

/** What a reply is: an answer, or a fault; and what is written of it. */
export function judged(
  { options, names, sure, price, mask, tokenizer }: Client,
  { request, prompt_tokens }: Question,
  made: Attempt,
  asked: Asking,
  { reply, assembled, stream }: Replied,
  { since }: Pick<Progress, "since">,
): Came {
  const text = () => Buffer.from(reply.body).toString("utf8");
  const expected = askedOf(request, prompt_tokens, asked, options, sure ? [...names] : [], tokenizer);
  // a stream that said that it was over is whole, however its connection ended
  const over = stream && reply.status === 200 && assembled.assembled.whole.done;
  const found: Answer | Fault =
    (over ? undefined : reply.fault) ??
    (reply.status === 200 ? answerIn(assembled, stream, expected) : faultOfStatus(reply.status, reply.headers, text()));
  const answer = "completion" in found ? maskedIn(found, mask) : undefined;
  const fault = "completion" in found ? undefined : { ...found, reason: mask.text(found.reason) };
  const ending: Ending = {
    outcome: fault?.outcome ?? "complete",
    reason: fault?.reason ?? null,
    status: reply.status || null,
    ...kept(reply.body, stream, assembled.assembled, mask),
    ...(answer ? { used: usedBy(answer, price), certain: true } : usedInVain(fault!, made, assembled.assembled, price)),
    latency: Date.now() - since,
  };
  return { made, ending, answer, fault, wait: usedUpFor(reply.headers) };
}

/** A body as it is written down. Where a key is spread over the events of a stream, what they come to is written instead. */
function kept(body: Uint8Array, stream: boolean, { whole }: Assembler, mask: Mask): Pick<Ending, "body" | "stream"> {
  if (body.length === 0) return { body: null, stream };
  const [content, reasoning_content] = [whole.content, whole.field].map(mask.text);
  if (!stream || (content === whole.content && reasoning_content === whole.field))
    return { body: mask.bytes(body), stream };
  const choices = [{ index: 0, finish_reason: whole.finish, message: { content, reasoning_content } }];
  const instead = { id: whole.id, model: whole.model, choices, usage: whole.usage };
  return { body: Buffer.from(mask.text(JSON.stringify(instead))), stream: false };
}

/** A server may repeat a key, and a model may be told to. */
const maskedIn = ({ completion, model, request_id, ...rest }: Answer, { text }: Mask): Answer => ({
  ...rest,
  completion: text(completion),
  model: model && text(model),
  request_id: request_id && text(request_id),
});

/** What the journal has of a request, as a teacher gives it; nothing where that has no answer of it. */
export function known(
  client: Client,
  index: number,
  id: string,
  request: SampleRequest,
  asked: Asking,
): Given | undefined {
  const from = asked.journal.answer(id);
  if (!from) return undefined;
  const prompt_tokens = mostPromptTokens(request, client.tokenizer);
  const expected = askedOf(request, prompt_tokens, asked, client.options, [], client.tokenizer);
  const found = answerIn(assemble(from.body ?? new Uint8Array(), from.stream), from.stream, expected);
  return "completion" in found ? given(index, request, maskedIn(found, client.mask), from) : undefined;
}

/** An answer as a teacher gives it. */
export type Given = Extract<Finished, { generation: Generation }>;

export function given(index: number, { seed }: SampleRequest, answer: Answer, from: Answered): Given {
  const { completion, token_ids, top_logprobs, finish_reason, usage, model, request_id, reasoning } = answer;
  const { prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens } = usage;
  const { endpoint, attempt, latency, used } = from;
  const served: Served = {
    ...{ endpoint, model, request_id, attempt, reasoning },
    ...{ prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens },
    cost: used.cost,
    latency_s: latency / 1000,
  };
  const generation: Generation = {
    ...{ completion, token_ids, finish_reason, served, prompt_tokens },
    ...(top_logprobs ? { top_logprobs } : {}),
  };
  return { index, generation, ...(from.seed === seed ? {} : { seed: from.seed }) };
}
