/** @file What came of an answer, put together: from one body, or from the events of a stream. */

import { z } from "zod";
import { eventReader } from "./events.ts";

const text = z.string().nullish();
const count = z.number().nonnegative().nullish();

const Details = z.looseObject({ reasoning_tokens: count, cached_tokens: count }).nullish();

const Usage = z
  .looseObject({
    prompt_tokens: count,
    completion_tokens: count,
    reasoning_tokens: count,
    cost: count,
    completion_tokens_details: Details,
    prompt_tokens_details: Details,
    prompt_cache_hit_tokens: count,
  })
  .nullish();

const Token = z.looseObject({
  id: z.int().optional(),
  token: z.string(),
  logprob: z.number(),
  top_logprobs: z.array(z.looseObject({ id: z.int().optional(), token: z.string(), logprob: z.number() })).nullish(),
});

const Message = z
  .looseObject({
    content: text,
    reasoning_content: text,
    reasoning: text,
    reasoning_details: z.array(z.looseObject({ text: text, summary: text })).nullish(),
  })
  .nullish();

const Choice = z.looseObject({
  index: z.number().nullish(),
  finish_reason: text,
  text,
  message: Message,
  delta: Message,
  logprobs: z.unknown().optional(),
  token_ids: z.array(z.int()).nullish(),
  error: z.unknown().optional(),
});

const Body = z.looseObject({
  id: z.union([z.string(), z.number()]).nullish(),
  model: text,
  choices: z.array(Choice).nullish(),
  usage: Usage,
  error: z.unknown().optional(),
});
type Body = z.output<typeof Body>;

/** What came in pieces, put together. */
export type Whole = {
  id: string | null;
  model: string | null;
  choices: number;
  /** Whether the stream said that it was over. */
  done: boolean;
  content: string;
  field: string;
  finish: string | null;
  tokens: z.output<typeof Token>[];
  ids: number[];
  usage: z.output<typeof Usage>;
  /** Pieces that brought some of the answer. */
  pieces: number;
  /** Whether the body ends within its JSON. */
  cut: boolean;
  error?: unknown;
};

/** Puts an answer together, from one body or from the events of a stream. */
export function assembler() {
  const whole: Whole = {
    id: null,
    model: null,
    choices: 0,
    done: false,
    content: "",
    field: "",
    finish: null,
    tokens: [],
    ids: [],
    usage: undefined,
    pieces: 0,
    cut: false,
  };
  let torn = false;
  const add = (body: Body): boolean => {
    whole.id ??= body.id == null ? null : String(body.id);
    whole.model ??= body.model ?? null;
    if (body.usage) whole.usage = body.usage;
    if (body.error != null) whole.error ??= body.error;
    const choices = body.choices ?? [];
    whole.choices = Math.max(whole.choices, ...choices.map(({ index }, i) => (index ?? i) + 1));
    let brought = false;
    const choice = choices.find(({ index }, i) => (index ?? i) === 0);
    if (!choice) return brought;
    if (choice.error != null) whole.error ??= choice.error;
    const message = choice.message ?? choice.delta;
    const content = message?.content ?? choice.text ?? "";
    const details = message?.reasoning_details?.map(({ text, summary }) => text ?? summary ?? "").join("") ?? "";
    const field = message?.reasoning_content || message?.reasoning || details;
    whole.content += content;
    whole.field += field;
    if (content || field) {
      whole.pieces++;
      brought = true;
    }
    if (choice.finish_reason) whole.finish = choice.finish_reason;
    if (choice.token_ids) for (const id of choice.token_ids) whole.ids.push(id);
    for (const token of tokensIn(choice.logprobs)) whole.tokens.push(token);
    return brought || choice.finish_reason != null;
  };
  return {
    whole,
    /** The data of an event; whether it brought some of the answer. What is no JSON is an error. */
    event(data: string): boolean {
      if (torn) whole.error ??= { message: "an event that is no JSON of an answer" };
      if (data.trim() === "[DONE]") {
        whole.done = true;
        return true;
      }
      const parsed = Body.safeParse(jsonOf(data));
      if (parsed.success) return add(parsed.data);
      torn = true; // where it is the last one, the stream was cut in it
      return false;
    },
    /** The whole body of an answer that was not streamed. */
    body(text: string): boolean {
      const value = jsonOf(text);
      const parsed = Body.safeParse(value);
      if (parsed.success) add(parsed.data);
      whole.cut = value === undefined && /^\s*\{/.test(text);
      return parsed.success;
    },
  };
}
export type Assembler = ReturnType<typeof assembler>;

/** The tokens of an answer with their probabilities, in the shape of chat, or in the older one of completions. */
function tokensIn(logprobs: unknown): z.output<typeof Token>[] {
  const chat = z.looseObject({ content: z.array(Token) }).safeParse(logprobs);
  if (chat.success) return chat.data.content;
  const older = Older.safeParse(logprobs);
  if (!older.success) return [];
  const { tokens, token_logprobs, top_logprobs } = older.data;
  return tokens.map((token, i) => ({
    token,
    logprob: token_logprobs[i] ?? Number.NaN,
    top_logprobs: Object.entries(top_logprobs?.[i] ?? {}).map(([token, logprob]) => ({ token, logprob })),
  }));
}

const Older = z.looseObject({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
});

/** Put together what is kept of an answer. */
export function assemble(body: Uint8Array, stream: boolean): { assembled: Assembler; shaped: boolean } {
  const assembled = assembler();
  const text = () => Buffer.from(body).toString("utf8");
  if (!stream) return { assembled, shaped: assembled.body(text()) };
  const reader = eventReader((data) => void assembled.event(data));
  reader.push(body);
  reader.end();
  return { assembled, shaped: true };
}

/** What JSON says; undefined where it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    return undefined;
  }
}
