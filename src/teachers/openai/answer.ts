/** @file A server's answer, in whichever of their shapes it came, as one completion; or why it is none. */

import { z } from "zod";
import type { ReasoningPlace } from "../../core/trace.ts";
import type { TopLogprobs } from "../teacher.ts";
import { eventReader } from "./events.ts";
import { type Fault, faultOfError } from "./faults.ts";
import { joinReasoning } from "./reasoning.ts";

export type Answer = {
  completion: string;
  reasoning: ReasoningPlace;
  finish_reason: "stop" | "length";
  token_ids: number[];
  top_logprobs?: TopLogprobs[];
  model: string | null;
  request_id: string | null;
  usage: AnswerUsage;
};

export type AnswerUsage = {
  prompt_tokens: number;
  completion_tokens: number;
  reasoning_tokens: number | null;
  cached_tokens: number | null;
  /** Money, where the answer says it. */
  cost: number | null;
};

export type Asked = {
  endpoint: "chat" | "completions";
  /** Where reasoning is looked for. */
  reasoning: "auto" | "field" | "inline";
  /** The names that the model may have in an answer; any where there are none. */
  models: readonly string[];
  /** Whether the template opens the think block, so that the text begins inside of it. */
  prefilled: boolean;
  /** What a prompt that had no usage told of it is taken to have. */
  prompt_tokens: number;
  top_logprobs: number;
};

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
type Whole = {
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
      const parsed = Body.safeParse(json(data));
      if (parsed.success) return add(parsed.data);
      torn = true; // where it is the last one, the stream was cut in it
      return false;
    },
    /** The whole body of an answer that was not streamed. */
    body(text: string): boolean {
      const parsed = Body.safeParse(json(text));
      if (parsed.success) add(parsed.data);
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

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What was used as far as it is known of an answer that broke off: what it says of it, else the pieces that came. */
export function usedSoFar({ whole }: Assembler, prompt_tokens: number) {
  return {
    prompt_tokens: whole.usage?.prompt_tokens ?? prompt_tokens,
    completion_tokens: Math.max(whole.usage?.completion_tokens ?? 0, whole.pieces, whole.ids.length),
  };
}

/** The answer in a reply of 200 that came to its end, or what is wrong with it. */
export function answerIn(
  { assembled, shaped }: { assembled: Assembler; shaped: boolean },
  stream: boolean,
  asked: Asked,
): Answer | Fault {
  const { whole } = assembled;
  if (!shaped) return { outcome: "lying", reason: "an answer of 200 that is no JSON of a completion" };
  if (whole.error !== undefined) return faultOfError(whole.error, whole.pieces > 0);
  if (stream && !whole.done && (whole.finish === null || !whole.usage))
    return { outcome: "failed", reason: "the stream was cut off before its end" };
  if (whole.choices === 0) return { outcome: "lying", reason: "an answer of 200 without choices" };
  if (whole.choices > 1) return { outcome: "lying", reason: `${whole.choices} choices where 1 was asked for` };
  if (whole.finish === null) return { outcome: "lying", reason: "an answer of 200 without a finish_reason" };
  const finish = FINISHED[whole.finish];
  if (finish === undefined)
    return UNUSABLE[whole.finish] ?? { outcome: "lying", reason: `the finish_reason ${JSON.stringify(whole.finish)}` };
  if (whole.model !== null && asked.models.length > 0 && !asked.models.some((name) => sameModel(name, whole.model!)))
    return {
      outcome: "lying",
      reason: `an answer of the model "${whole.model}" where "${asked.models[0]}" was asked`,
    };
  const usage = usageOf(whole, asked);
  if (whole.content === "" && whole.field === "" && usage.completion_tokens === 0)
    return { outcome: "lying", reason: "an empty answer of 0 tokens" };
  const { completion, place } = joinReasoning(whole.content, whole.field, asked);
  return {
    completion,
    reasoning: place,
    finish_reason: finish,
    ...tokensOf(whole, usage.completion_tokens, asked.top_logprobs),
    model: whole.model,
    request_id: whole.id,
    usage,
  };
}

/** How servers say that a completion came to its end, and that it was cut. */
const FINISHED: Record<string, "stop" | "length"> = {
  stop: "stop",
  eos: "stop",
  end_turn: "stop",
  stop_sequence: "stop",
  length: "length",
  max_tokens: "length",
  repetition: "length",
};

const UNUSABLE: Record<string, Fault> = {
  content_filter: { outcome: "impossible", reason: "the server's filter held the answer back (content_filter)" },
  tool_calls: { outcome: "impossible", reason: "the answer calls a tool, and there is none (tool_calls)" },
  function_call: { outcome: "impossible", reason: "the answer calls a tool, and there is none (function_call)" },
  abort: { outcome: "failed", reason: "the server gave the answer up (abort)" },
  error: { outcome: "failed", reason: "the server failed in the answer (error)" },
};

/** Whether two names are of one model: servers add a date, leave out an owner, or write it in capitals. */
export function sameModel(a: string, b: string): boolean {
  const [x, y] = [a, b].map((name) => name.toLowerCase().split("/").at(-1)!.replace(/:.*$/, ""));
  return x === y || x!.startsWith(`${y}-`) || y!.startsWith(`${x}-`) || a === b;
}

function usageOf(whole: Whole, asked: Asked): AnswerUsage {
  const { usage } = whole;
  const said = usage?.completion_tokens;
  return {
    prompt_tokens: usage?.prompt_tokens ?? asked.prompt_tokens,
    completion_tokens: said ?? Math.max(whole.ids.length, whole.tokens.length, whole.pieces),
    reasoning_tokens: usage?.completion_tokens_details?.reasoning_tokens ?? usage?.reasoning_tokens ?? null,
    cached_tokens: usage?.prompt_tokens_details?.cached_tokens ?? usage?.prompt_cache_hit_tokens ?? null,
    cost: usage?.cost ?? null,
  };
}

/** Ids and probabilities, where there is one of each for every token that was generated; else none of them. */
function tokensOf(whole: Whole, completion_tokens: number, k: number): Pick<Answer, "token_ids" | "top_logprobs"> {
  const ofLogprobs = whole.tokens.map((token) => token.id ?? idIn(token.token));
  const named = ofLogprobs.every((id) => id !== undefined) ? (ofLogprobs as number[]) : [];
  const token_ids = whole.ids.length > 0 ? whole.ids : named;
  if (token_ids.length === 0 || token_ids.length !== completion_tokens) return { token_ids: [] };
  if (k === 0 || whole.tokens.length !== token_ids.length) return { token_ids };
  const top_logprobs: TopLogprobs[] = [];
  for (const { top_logprobs: top } of whole.tokens) {
    const entries = [...(top ?? [])].sort((a, b) => b.logprob - a.logprob).slice(0, k);
    const ids = entries.map(({ id, token }) => id ?? idIn(token));
    if (ids.length < k || ids.some((id) => id === undefined)) return { token_ids };
    top_logprobs.push({ ids: ids as number[], logprobs: entries.map(({ logprob }) => logprob) });
  }
  return { token_ids, top_logprobs };
}

/** The id in "token_id:123". */
const idIn = (token: string): number | undefined => {
  const found = /^token_id:(\d+)$/.exec(token)?.[1];
  return found === undefined ? undefined : Number(found);
};
