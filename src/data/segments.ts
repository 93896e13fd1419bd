/** @file From rows of text to tokens and the mask of what is learned. Masks come from spans of text, never from token ids. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import type { Segment } from "./batch.ts";
import { startsWith, tokensBehind } from "./behind.ts";
import { lintCompletion, lintSegment, requireTokens } from "./lint.ts";
import { writable } from "./rendered.ts";
import type { TrainingRow } from "./rows.ts";
import { thought } from "./shapes/shape.ts";
import { completionOf } from "./spoken.ts";
import { continuation } from "./think.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { Turn } from "./turns.ts";
import { located, RowFault, wellFormed } from "./values.ts";

export const TRAIN_ON = ["completions", "last", "all"] as const;
/** What of a row is learned: every turn of the assistant, the last one, or the whole text. */
export const TrainOn = z.enum(TRAIN_ON);
export type TrainOn = z.output<typeof TrainOn>;

/** What is to be said of a row: whether its first turn is an assistant's, which nobody asked. */
type Notes = { unasked: boolean };

/** What is learned: a text behind a prompt, with the token that ends it unless it ends itself. */
type Learned = { prompt: string; completion: string; stop: number };

/**
 * The examples of a row: what inference would render as the prompt, token for token, then the completion and its stop
 * token. A later turn of the assistant stays in the same segment as long as its prompt begins with the tokens that are
 * there; a template that rewrites earlier turns, such as one that strips their reasoning, begins a new one. `where`
 * names the row in errors.
 */
export function toSegments(
  row: TrainingRow,
  tokenizer: Tokenizer,
  where: string,
  trainOn: TrainOn = "completions",
): Segment[] {
  try {
    return segmentsOf(row, tokenizer, where, trainOn);
  } catch (error) {
    if (error instanceof RowFault) throw new DistillError(located(where, error));
    if (error instanceof DistillError && !error.message.startsWith(where))
      throw new DistillError(`${where}: ${error.message}`);
    throw error;
  }
}

function segmentsOf(row: TrainingRow, tokenizer: Tokenizer, where: string, trainOn: TrainOn): Segment[] {
  if ("tokens" in row) {
    requireTokens(row, tokenizer, where);
    return [row];
  }
  if ("text" in row) return [wholeText(row.text, tokenizer.eos, tokenizer)];
  const segments: { tokens: number[]; supervised: boolean[]; split: boolean }[] = [];
  const add = (ids: readonly number[], supervised: boolean) => {
    const { tokens, supervised: mask } = segments.at(-1)!;
    for (const id of ids) {
      tokens.push(id);
      mask.push(supervised);
    }
  };
  if (trainOn === "all") return [wholeText(whole(row, tokenizer), tokenizer.endOfTurn, tokenizer)];
  const notes: Notes = { unasked: false };
  const parts = tokenizer.template === undefined ? bare(row, tokenizer) : turns(row, tokenizer, trainOn, notes);
  for (const { prompt, completion, stop } of parts) {
    for (const text of [prompt, completion]) wellFormed(text, "text");
    lintCompletion(prompt, completion, where);
    const ids = tokenizer.encode(prompt);
    const before = withBos(ids, tokenizer);
    const open = segments.at(-1)?.tokens;
    if (open && startsWith(before, open)) add(before.slice(open.length), false);
    else {
      segments.push({ tokens: [], supervised: [], split: false });
      add(before, false);
    }
    const { tokens, split } = tokensBehind(prompt, ids, continuation(prompt, completion), tokenizer);
    add(stopped(tokens, stop, tokenizer), true);
    segments.at(-1)!.split ||= split;
  }
  lintSegment(segments, tokenizer, where, tokenizer.template !== undefined);
  return segments.map(({ split, ...segment }) => ({
    tokens: segment.tokens,
    supervised: segment.supervised,
    ...(split ? { split } : {}),
    ...(notes.unasked ? { unasked: true } : {}),
  }));
}

/** A pair for a student that continues text. */
function* bare(row: Conversation | Pair, tokenizer: Tokenizer): Generator<Learned> {
  if (!("prompt" in row)) {
    tokenizer.render([], { generate: false }); // says that there is no chat template
    return;
  }
  if (row.system !== undefined)
    throw new RowFault(
      'has a column "system", and the student no chat template that says it. Put it into the prompt, or give a chat_template',
    );
  const { prompt, completion, reasoning } = row;
  yield { prompt, completion: thought(reasoning) + completion, stop: tokenizer.eos };
}

/** Each turn of the assistant, with the text that it continues; a pair is a conversation of one. */
function* turns(row: Conversation | Pair, tokenizer: Tokenizer, trainOn: TrainOn, notes: Notes): Generator<Learned> {
  if ("prompt" in row) requireUnrendered(row.prompt, tokenizer);
  const { messages, learn, tools } = asConversation(row);
  requireOneBeginning(messages, tokenizer);
  const written = writable(unended(messages, tokenizer), tools, tokenizer);
  const last = written.findLastIndex(({ role }) => role === "assistant");
  for (const [i, turn] of written.entries())
    if (turn.role === "assistant" && learn?.[i] !== false && (trainOn !== "last" || i === last)) {
      if (!written.slice(0, i).some(({ role }) => role !== "system" && role !== "developer")) {
        notes.unasked = true; // there is no prompt that would be answered by it
        continue;
      }
      const prompt = tokenizer.render(written.slice(0, i), { generate: true, tools });
      const completion = completionOf(written.slice(0, i + 1), tools, prompt, tokenizer);
      yield { prompt, completion, stop: tokenizer.endOfTurn };
    }
}

type Conversation = Extract<TrainingRow, { messages: unknown }>;
type Pair = Extract<TrainingRow, { prompt: string }>;

/** A pair as a conversation of one question and its answer. */
export function asConversation(row: Conversation | Pair): Conversation {
  if ("messages" in row) return row;
  const { prompt, completion, system, reasoning } = row;
  return {
    messages: [
      ...(system === undefined ? [] : [{ role: "system", content: system }]),
      { role: "user", content: prompt },
      {
        role: "assistant",
        content: completion,
        ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
      },
    ],
  };
}

/** All of a row as text, as the chat template writes it. */
function whole(row: Conversation | Pair, tokenizer: Tokenizer): string {
  if (tokenizer.template === undefined) {
    const [{ prompt, completion }] = [...bare(row, tokenizer)] as [Learned];
    return prompt + continuation(prompt, completion);
  }
  const { messages, tools } = asConversation(row);
  requireOneBeginning(messages, tokenizer);
  const write = (turns: readonly Turn[]) =>
    tokenizer.render(writable(unended(turns, tokenizer), tools, tokenizer), { generate: false, tools });
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  const silent = messages.map(({ reasoning_content, ...turn }, i) =>
    i === last || !reasoning_content ? turn : { ...turn, reasoning_content },
  );
  const text = write(messages);
  if (messages[last]?.reasoning_content && text === write(silent))
    throw new RowFault(
      `turn ${last + 1} has reasoning, which the chat template does not write, and trainer.train_on: all learns what it writes. Leave the reasoning out, or set train_on: completions`,
    );
  return text;
}

/** A prompt that was rendered before would be rendered twice. */
function requireUnrendered(prompt: string, tokenizer: Tokenizer): void {
  const special = tokenizer.mentions(prompt);
  if (special !== undefined && writesSpecial(tokenizer))
    throw new RowFault(
      `has a prompt with the special token "${special}", as if it were rendered already, and the student's chat template renders it. Give messages, or set chat_template: plain`,
    );
}

/** Whether the chat template writes special tokens, so that a prompt's own are not meant to be there. */
const writesSpecial = ({ mentions, render }: Tokenizer): boolean =>
  mentions(render([{ role: "user", content: "a" }], { generate: true })) !== undefined;

/** A token that begins texts is written by the template alone. */
function requireOneBeginning(messages: readonly Turn[], { bos, written }: Tokenizer): void {
  const turn = bos === undefined ? -1 : messages.findIndex(({ content }) => content?.includes(written.bos));
  if (turn >= 0)
    throw new RowFault(`turn ${turn + 1} holds "${written.bos}", the token that begins a text. Leave it out`);
}

/** Turns without the stop token that some bring along, which the template writes behind what an assistant says. */
function unended(messages: readonly Turn[], { stops, token }: Tokenizer): Turn[] {
  return messages.map((turn) => {
    if (turn.role !== "assistant" || turn.content === null) return turn;
    const said = turn.content.trimEnd();
    const stop = stops.map(token).find((stop) => stop !== "" && said.endsWith(stop));
    return stop === undefined ? turn : { ...turn, content: said.slice(0, -stop.length) };
  });
}

/** A text from its beginning to a stop token: of a document the one that ends texts, of a conversation that of a turn. */
function wholeText(text: string, stop: number, tokenizer: Tokenizer): Segment {
  if (text === "") throw new RowFault("has nothing to learn: its text is empty. Leave such rows out");
  wellFormed(text, "text");
  const tokens = stopped(withBos(tokenizer.encode(text), tokenizer), stop, tokenizer);
  return { tokens, supervised: tokens.map((_, i) => i > 0) };
}

/** The tokens of a completion with a stop token at the end: its own where it brings one, perhaps with white space behind. */
function stopped(ids: number[], stop: number, { stops, decode }: Tokenizer): number[] {
  const own = ids.findLastIndex((id) => stops.includes(id));
  return own >= 0 && decode(ids.slice(own + 1)).trim() === "" ? ids.slice(0, own + 1) : [...ids, stop];
}

/** The tokens of a prompt's text, as runtimes begin it. */
export const promptTokens = (text: string, tokenizer: Tokenizer): number[] =>
  withBos(tokenizer.encode(text), tokenizer);

/** As runtimes begin a text: with one BOS where the model has one, whether the template wrote it or not. */
function withBos(ids: number[], { bos }: Tokenizer): number[] {
  if (bos === undefined) return ids;
  const first = ids.findIndex((id) => id !== bos);
  return [bos, ...ids.slice(first < 0 ? ids.length : first)];
}
