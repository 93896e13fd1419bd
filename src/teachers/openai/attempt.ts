/** @file One request to one server: written down, sent, and judged by what came of it. */

import { deriveSeed } from "../../core/random.ts";
import type { Served } from "../../core/trace.ts";
import type { Answered, Attempt, Ending, Journal, Used } from "../../data/journal.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import type { Price } from "../budget.ts";
import type { GenerateOptions, SampleRequest } from "../teacher.ts";
import { type Answer, type Assembler, answerIn, assemble, assembler, usedSoFar } from "./answer.ts";
import { askedOf, bodyOf, mostPromptTokens, streams } from "./body.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Reply } from "./exchange.ts";
import { type Fault, faultOfStatus } from "./faults.ts";
import { pathOf } from "./identify.ts";
import type { Options } from "./options.ts";
import type { Mask } from "./secrets.ts";

/** What is known of the servers while they are asked. */
export type Client = {
  options: Options;
  endpoints: readonly Endpoint[];
  /** The name of the model that is asked, and those under which it may answer. */
  names: Set<string>;
  /** Whether an answer has shown under which name it answers. */
  sure: boolean;
  tokenizer: Tokenizer | undefined;
  price: Price | undefined;
  mask: Mask;
  told: (sentence: string) => void;
};

export type Question = { request: SampleRequest; id: string; prompt_tokens: number };

/** How a request that is under way goes on, and how it is given up: because it is taken to another server, or altogether. */
export type Progress = { since: number; abort: AbortController; pieces: number; elsewhere: boolean };

export type Asking = GenerateOptions & { journal: Journal };

/** What came of an attempt: an answer, or a fault. */
export type Came = { made: Attempt; ending: Ending; answer?: Answer | undefined; fault?: Fault | undefined };

type Replied = { reply: Reply; assembled: { assembled: Assembler; shaped: boolean }; stream: boolean };

/** Ask once. What an earlier process asked and did not see the end of is looked for first, where the server keeps it. */
export async function attempt(
  client: Client,
  question: Question,
  endpoint: Endpoint,
  most: Used,
  asked: Asking,
  progress: Progress,
): Promise<Came> {
  const { journal } = asked;
  const stream = streams(client.options, asked);
  const resumable = stream && endpoint.identity!.server.resumable === true;
  const open = resumable ? journal.open(question.id) : undefined;
  let made = open?.endpoint === endpoint.place.url ? open : undefined;
  let replied = made && (await resumed(made, endpoint, progress));
  if (!made || !replied) {
    const seed = seedOf(question, journal);
    made = { id: question.id, attempt: journal.next(question.id), endpoint: endpoint.place.url, seed, most };
    await journal.sent([made]);
    progress.since = Date.now();
    replied = await sent(client, question, made, endpoint, asked, progress);
    if (replied.reply.fault?.outcome === "failed" && resumable && !progress.abort.signal.aborted)
      replied = (await resumed(made, endpoint, progress)) ?? replied;
  }
  const came = judged(client, question, made, asked, replied, progress);
  // where the answer can be had later, its end is not written yet
  const later = came.ending.outcome === "cancelled" && resumable && !progress.elsewhere;
  if (!later) await journal.end(made, came.ending);
  return came;
}

async function sent(
  { options, tokenizer }: Client,
  { request }: Question,
  made: Attempt,
  endpoint: Endpoint,
  asked: Asking,
  progress: Progress,
): Promise<Replied> {
  const identity = endpoint.identity!;
  const stream = streams(options, asked);
  const body = bodyOf(request, made.seed, asked, options, identity, { refuses: endpoint.refuses, stream, tokenizer });
  const named = stream && identity.server.resumable;
  return receive(endpoint, progress, stream, {
    method: "POST",
    url: pathOf(identity.base, options.endpoint === "chat" ? "/chat/completions" : "/completions"),
    headers: { ...endpoint.place.headers, ...(named ? { "x-conversation-id": nameOf(made) } : {}) },
    body: JSON.stringify(body),
  });
}

/** Names an attempt at the server. */
export const nameOf = ({ id, attempt }: Attempt) => `${id}-${attempt}`;

/** What an earlier request brings now that its reader had gone away; nothing where the server has forgotten it. */
async function resumed(made: Attempt, endpoint: Endpoint, progress: Progress): Promise<Replied | undefined> {
  const url = `${pathOf(endpoint.identity!.root, "/v1/stream")}?conv_id=${nameOf(made)}`;
  const replied = await receive(endpoint, progress, true, { method: "GET", url, headers: endpoint.place.headers });
  const { status, fault } = replied.reply;
  return status === 200 && !fault && replied.assembled.assembled.whole.done ? replied : undefined;
}

async function receive(
  endpoint: Endpoint,
  progress: Progress,
  stream: boolean,
  request: { method: "GET" | "POST"; url: string; headers: Record<string, string>; body?: string },
): Promise<Replied> {
  const assembled = assembler();
  const event = (data: string) => {
    const brought = assembled.event(data);
    progress.pieces = assembled.whole.pieces;
    return brought;
  };
  const reply = await endpoint.connections.exchange({
    ...request,
    signal: progress.abort.signal,
    ...(stream ? { event } : {}),
  });
  const events = stream && /event-stream/.test(String(reply.headers["content-type"]));
  return { reply, assembled: events ? { assembled, shaped: true } : assemble(reply.body, false), stream: events };
}

/** What a reply is: an answer, or a fault; and what is written of it. */
export function judged(
  { options, names, sure, price, mask }: Client,
  { request, prompt_tokens }: Question,
  made: Attempt,
  asked: Asking,
  { reply, assembled, stream }: Replied,
  { since }: Pick<Progress, "since">,
): Came {
  const text = () => Buffer.from(reply.body).toString("utf8");
  const expected = askedOf(request, prompt_tokens, asked, options, sure ? [...names] : []);
  const found: Answer | Fault =
    reply.fault ??
    (reply.status === 200 ? answerIn(assembled, stream, expected) : faultOfStatus(reply.status, reply.headers, text()));
  const answer = "completion" in found ? maskedIn(found, mask) : undefined;
  const fault = "completion" in found ? undefined : { ...found, reason: mask.text(found.reason) };
  const ending: Ending = {
    outcome: fault?.outcome ?? "complete",
    reason: fault?.reason ?? null,
    status: reply.status || null,
    stream,
    body: reply.body.length > 0 ? mask.bytes(reply.body) : null,
    used: answer ? usedBy(answer, price) : usedInVain(fault!, made, assembled.assembled, price),
    latency: Date.now() - since,
  };
  return { made, ending, answer, fault };
}

/** A server may repeat a key, and a model may be told to. */
const maskedIn = ({ completion, model, request_id, ...rest }: Answer, { text }: Mask): Answer => ({
  ...rest,
  completion: text(completion),
  model: model && text(model),
  request_id: request_id && text(request_id),
});

/** What an attempt without an answer may have cost: nothing where no work was done, else all that it was allowed. */
function usedInVain({ outcome }: Fault, { most }: Attempt, assembled: Assembler, price: Price | undefined): Used {
  if (outcome === "cancelled" && assembled.whole.pieces > 0)
    return priced({ ...usedSoFar(assembled, most.prompt_tokens), cost: null }, price);
  if (outcome === "failed" || outcome === "cancelled") return most;
  if (outcome !== "lying") return { prompt_tokens: 0, completion_tokens: 0, cost: 0 };
  const { prompt_tokens, completion_tokens, cost } = assembled.whole.usage ?? {};
  if (completion_tokens == null) return most;
  return priced({ prompt_tokens: prompt_tokens ?? 0, completion_tokens, cost: cost ?? null }, price);
}

/** Why a prompt has no room at a server, where its length is known or the server counts it. */
export async function tooLongFor(
  { options, tokenizer }: Client,
  { prompt_tokens, request }: Question,
  { identity, connections, place }: Endpoint,
): Promise<string | undefined> {
  const { server, root, model } = identity!;
  const context = options.context_size ?? identity!.context;
  if (context === undefined || prompt_tokens < context) return undefined;
  let count = tokenizer ? prompt_tokens : undefined;
  if (count === undefined && server.tokenize) {
    const text = request.messages?.map(({ content }) => content).join("\n") ?? request.prompt;
    const { status, body } = await connections.exchange({
      method: "POST",
      url: pathOf(root, server.tokenize.path),
      headers: place.headers,
      body: JSON.stringify(server.tokenize.body(text, model)),
      within: COUNT,
    });
    if (status === 200) count = server.tokenize.count(JSON.parse(Buffer.from(body).toString("utf8")));
  }
  if (count === undefined || count < context) return undefined;
  return `The prompt has ${count} tokens, which leaves no room for a completion in the server's context of ${context}.`;
}

/** Seconds for the count of a prompt's tokens. */
const COUNT = 60;

/** The seed of the next attempt: another one where two attempts with the same were in vain. */
export function seedOf({ id, request: { seed } }: Question, journal: Journal): number {
  const vain = journal.ended(id, "failed") + journal.ended(id, "lying");
  return vain < 2 ? seed : deriveSeed(seed, vain) % 2 ** 31;
}

/** The most that a request may use. */
export function mostOf(
  { prompt_tokens }: Pick<Question, "prompt_tokens">,
  { max_completion_length }: GenerateOptions,
  price: Price | undefined,
): Used {
  return priced({ prompt_tokens, completion_tokens: max_completion_length, cost: null }, price);
}

export const priced = (used: Used, price: Price | undefined): Used => ({
  ...used,
  cost: used.cost ?? price?.of(used) ?? null,
});

/** What an answer used; what it says itself that it cost counts more than any list of prices, but not than the recipe's. */
export function usedBy({ usage }: Answer, price: Price | undefined): Used {
  const { prompt_tokens, completion_tokens, cached_tokens } = usage;
  const said = price?.source.startsWith("the recipe") ? null : usage.cost;
  return {
    prompt_tokens,
    completion_tokens,
    cost: said ?? price?.of({ prompt_tokens, completion_tokens, cached_tokens }) ?? null,
  };
}

/** The answer in what the journal has of a request. */
export function accepted(
  client: Client,
  { body, stream }: Answered,
  request: SampleRequest,
  asked: GenerateOptions,
): Answer | Fault {
  const prompt_tokens = mostPromptTokens(request, client.tokenizer);
  const expected = askedOf(request, prompt_tokens, asked, client.options, []);
  return answerIn(assemble(body ?? new Uint8Array(), stream), stream, expected);
}

export function generationOf(answer: Answer, { endpoint, attempt, latency, used }: Answered) {
  const { completion, token_ids, top_logprobs, finish_reason, usage, model, request_id, reasoning } = answer;
  const served: Served = {
    ...{ endpoint, model, request_id, attempt, reasoning },
    prompt_tokens: usage.prompt_tokens,
    completion_tokens: usage.completion_tokens,
    reasoning_tokens: usage.reasoning_tokens,
    cached_tokens: usage.cached_tokens,
    cost: used.cost,
    latency_s: latency / 1000,
  };
  return {
    ...{ completion, token_ids, finish_reason, served, prompt_tokens: usage.prompt_tokens },
    ...(top_logprobs ? { top_logprobs } : {}),
  };
}
