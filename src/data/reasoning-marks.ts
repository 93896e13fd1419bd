/** @file What a chat template writes around reasoning, and where a prompt of its goes beyond what it writes of an answer. */

import { DistillError } from "../core/errors.ts";
import type { ToolCall } from "./calls.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { Turn } from "./turns.ts";

type Render = Tokenizer["render"];

/** What stands before and behind reasoning in a turn. */
export type Marks = { open: string; close: string };

/** Those of models whose template writes none. */
export const THINK: Marks = { open: "<think>\n", close: "\n</think>\n\n" };

const known = new WeakMap<Render, Marks | undefined>();

/** Texts that no template and no row holds. */
const [SAID, THOUGHT] = ["zqsaidqz", "zqthoughtqz"];
const ASKED: Turn = { role: "user", content: "zqaskedqz" };
const CALL: readonly ToolCall[] = [
  { type: "function", id: "call12345", function: { name: SAID, arguments: { n: 1 } } },
];
const TOOL = {
  type: "function",
  function: { name: SAID, description: "", parameters: { type: "object", properties: {} } },
};

/** The marks of a template, found by what it writes of turns of our own; undefined where it writes no reasoning. */
export function marksOf(render: Render): Marks | undefined {
  if (!known.has(render)) known.set(render, marksIn(render));
  return known.get(render);
}

function marksIn(render: Render): Marks | undefined {
  const said = { role: "assistant", content: SAID };
  const called = { role: "assistant", content: "", tool_calls: CALL };
  for (const [turn, tools] of [
    [said, undefined],
    [called, [TOOL]],
  ] as const) {
    const write = (more: Partial<Turn>) => written(render, [ASKED, { ...turn, ...more }], tools);
    const [without, with_] = [write({}), write({ reasoning_content: THOUGHT })];
    const at = with_?.indexOf(THOUGHT) ?? -1;
    if (without === undefined || with_ === undefined || at < 0) continue;
    const begin = shared(without, with_);
    const behind = with_.slice(at + THOUGHT.length);
    const between = behind.slice(0, Math.max(0, behind.indexOf(SAID)));
    // what stands before an answer without reasoning too is not the reasoning's
    const own = between.slice(0, between.length - sharedEnd(between, without.slice(0, without.lastIndexOf(SAID))));
    const always = own.trim() === ""; // it writes an empty block where there is no reasoning
    const close = always ? (FIRST_TAG.exec(between)?.[0] ?? between) : own;
    const open = always ? (LAST_TAG.exec(with_.slice(0, at))?.[0] ?? "") : with_.slice(begin, at);
    if (begin <= at && close.trim() !== "") return { open, close };
  }
  return undefined;
}

/** Of a template that also writes an empty block: what ends it, and what begins it. */
const FIRST_TAG = /^\s*(?:<[^>]*>|\[[^\]]*\])/;
const LAST_TAG = /(?:<[^<>]*>|\[[^[\]]*\])\s*$/;

function written(render: Render, turns: readonly Turn[], tools: readonly unknown[] | undefined): string | undefined {
  try {
    return render(turns, { generate: false, tools });
  } catch (error) {
    if (error instanceof DistillError) return undefined; // its own rules
    throw error;
  }
}

/** How far two texts are the same, up to a tag that both are within. */
export function shared(a: string, b: string): number {
  let end = 0;
  while (end < a.length && a[end] === b[end]) end++;
  const within = ([open, close]: [string, string]) => {
    const begin = a.lastIndexOf(open, end - 1);
    return begin > a.lastIndexOf(close, end - 1) && end - begin <= TAG ? begin : end;
  };
  return end === 0 ? 0 : Math.min(within(["<", ">"]), within(["[", "]"]));
}

/** Characters that a tag may have. */
const TAG = 40;

/** How many characters at their ends two texts share, from the beginning of a tag on. */
function sharedEnd(a: string, b: string): number {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a.at(-1 - length) === b.at(-1 - length)) length++;
  const end = a.slice(a.length - length);
  const [open, close] = [end.indexOf("<"), end.indexOf(">")];
  return close >= 0 && (open < 0 || close < open) ? length - close - 1 : length;
}

/** What a prompt begins of an answer itself, and whether reasoning is to follow it. */
export type Begun = { text: string; open: boolean };

/**
 * What the prompt for the last of `turns` begins of its answer, which the template writes otherwise in a finished text:
 * `<|START_THINKING|>` or an empty block; undefined where it begins nothing, or another thing than a block of reasoning.
 */
export function begunBy(
  prompt: string,
  turns: readonly Turn[],
  tools: readonly unknown[] | undefined,
  render: Render,
): Begun | undefined {
  const marks = marksOf(render);
  if (!marks) return undefined;
  const last = turns.at(-1)!;
  const said = { ...last, content: last.content ? SAID : last.content };
  const write = (turn: Turn) => written(render, [...turns.slice(0, -1), turn], tools);
  const { reasoning_content: _, ...silent } = said;
  const whole = write(silent);
  const thinking = last.reasoning_content ? write({ ...said, reasoning_content: THOUGHT }) : undefined;
  // what it writes without reasoning may stand behind the prompt where what it writes with some does not
  const other = [whole, thinking].find((text) => text !== undefined && !text.startsWith(prompt));
  if (other === undefined || thinking?.startsWith(prompt)) return undefined;
  const base = shared(prompt, other);
  const asked = turns.at(-2)?.content?.trim();
  if (asked && base < prompt.lastIndexOf(asked) + asked.length) return undefined; // it writes the question otherwise
  const text = prompt.slice(base);
  return { text, open: !text.trimEnd().endsWith(marks.close.trim()) };
}
