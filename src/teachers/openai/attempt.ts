/** @file One request to one server: written down, sent, and judged by what came of it. */

import { deriveSeed } from "../../core/random.ts";
import type { Attempt, Ending, Journal, Used } from "../../data/journal.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import type { Price } from "../budget.ts";
import type { GenerateOptions, SampleRequest } from "../teacher.ts";
import type { Answer } from "./answer.ts";
import { assemble, assembler, jsonOf, type Whole } from "./assemble.ts";
import { bodyOf, streams } from "./body.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Fault } from "./faults.ts";
import { pathOf } from "./identify.ts";
import { judged, type Replied } from "./judged.ts";
import type { Options } from "./options.ts";
import { joinReasoning } from "./reasoning.ts";
import type { Mask } from "./secrets.ts";

/** What is known of the servers while they are asked. */
export type Client = {
  options: Options;
  endpoints: readonly Endpoint[];
  /** The name of the model that is asked, and those under which it may answer. */
  names: Set<string>;
  /** Whether an answer has shown under which name it answers. */
  sure: boolean;
  /** Tokens of the longest answer that was longer than asked for; 0 where none was. */
  longest: number;
  tokenizer: Tokenizer | undefined;
  price: Price | undefined;
  mask: Mask;
  told: (sentence: string) => void;
};

export type Question = { index: number; request: SampleRequest; id: string; prompt_tokens: number };

/** How a request that is under way goes on, and how it is given up: because it is taken to another server, or altogether. */
export type Progress = { since: number; abort: AbortController; pieces: number; elsewhere: boolean };

export type Asking = GenerateOptions & { journal: Journal };

/** What came of an attempt: an answer, or a fault. */
export type Came = {
  made: Attempt;
  ending: Ending;
  answer?: Answer | undefined;
  fault?: Fault | undefined;
  /** Milliseconds for which the server has no more, where it says so with an answer. */
  wait?: number | undefined;
};

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
  { index, request }: Question,
  made: Attempt,
  endpoint: Endpoint,
  asked: Asking,
  progress: Progress,
): Promise<Replied> {
  const identity = endpoint.identity!;
  const stream = streams(options, asked);
  const body = bodyOf(request, made.seed, asked, options, identity, { refuses: endpoint.refuses, stream, tokenizer });
  const named = stream && identity.server.resumable;
  const { onText } = asked;
  const grown = ({ content, field }: Whole) =>
    onText?.(index, joinReasoning(content, field, { reasoning: options.reasoning, prefilled: false }).completion);
  const question = {
    method: "POST" as const,
    url: pathOf(identity.base, options.endpoint === "chat" ? "/chat/completions" : "/completions"),
    headers: { ...endpoint.place.headers, ...(named ? { "x-conversation-id": nameOf(made) } : {}) },
    body: JSON.stringify(body),
  };
  return receive(endpoint, progress, stream, question, onText && grown);
}

/** Names an attempt at the server. */
export const nameOf = ({ id, attempt }: Attempt) => `${id}-${attempt}`;

/** Names an attempt's line in a batch: the answer to what was asked otherwise has another name, wherever it lies. */
export const lineName = ({ key }: { key?: string }, made: Attempt): string =>
  key === undefined ? nameOf(made) : `${nameOf(made)}-${key}`;

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
  grown?: (whole: Whole) => void,
): Promise<Replied> {
  const assembled = assembler();
  const event = (data: string) => {
    const brought = assembled.event(data);
    progress.pieces = assembled.whole.pieces;
    if (brought) grown?.(assembled.whole);
    return assembled.whole.done ? "last" : brought;
  };
  const reply = await endpoint.connections.exchange({
    ...request,
    signal: progress.abort.signal,
    ...(stream ? { event } : {}),
  });
  if (stream && /event-stream/.test(String(reply.headers["content-type"])))
    return { reply, assembled: { assembled, shaped: true }, stream };
  // some stream under another name
  const events = stream && /^\s*(data|event|:)/.test(Buffer.from(reply.body.subarray(0, 64)).toString("latin1"));
  return { reply, assembled: assemble(reply.body, events), stream: events };
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
    if (status === 200) count = server.tokenize.count(jsonOf(Buffer.from(body).toString("utf8")));
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
