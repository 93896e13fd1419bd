/** @file A server's answer, in whichever of their shapes it came, as one completion; or why it is none. */

import type { ReasoningPlace } from "../../core/trace.ts";
import type { TopLogprobs } from "../teacher.ts";
import type { Assembler, Whole } from "./assemble.ts";
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
  /** The tokens of a completion of which a server tells none. */
  count: (text: string) => number;
  top_logprobs: number;
};

/** The answer in a reply of 200 that came to its end, or what is wrong with it. */
export function answerIn(
  { assembled, shaped }: { assembled: Assembler; shaped: boolean },
  stream: boolean,
  asked: Asked,
): Answer | Fault {
  const { whole } = assembled;
  if (whole.cut) return { outcome: "failed", reason: "the answer was cut off before its end" };
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

/** Whether two names are of one model: servers add a date, leave out an owner or a way of routing, or write it in capitals. */
export function sameModel(a: string, b: string): boolean {
  const [x, y] = [a, b].map((name) => name.toLowerCase().split("/").at(-1)!.replace(ROUTED, "").replace(DATED, ""));
  return a === b || x === y;
}

const ROUTED = /:(latest|free|nitro|floor|online|extended|exacto|beta)$/;
const DATED = /-(latest|\d{4}-?\d{2}-?\d{2}|\d{4})$/;

function usageOf(whole: Whole, asked: Asked): AnswerUsage {
  const { usage } = whole;
  const text = whole.field + whole.content;
  // none is no count of a text
  const said = text === "" ? usage?.completion_tokens : usage?.completion_tokens || undefined;
  const counted = () => Math.max(whole.ids.length, whole.tokens.length, whole.pieces, asked.count(text));
  return {
    prompt_tokens: usage?.prompt_tokens ?? asked.prompt_tokens,
    completion_tokens: said ?? counted(),
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
