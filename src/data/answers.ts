/** @file The answer of a row, which is looked at and judged, wherever datasets have it. */

import { isRecord, parsedText } from "./values.ts";

type Columns = Record<string, unknown>;

/** The columns that an answer stands in as a text, and those whose last turn it is; the first that is there is meant. */
export const ANSWERS = ["completion", "response", "output", "text", "solution", "answer"];
const TURNS = ["messages", "conversations"];

/** The column of the answer among these; nothing where there is none. */
export const answerColumn = (names: readonly string[]): string | undefined =>
  [...ANSWERS, ...TURNS].find((name) => names.includes(name));

/** The answer in a column's value: a text, or what is said last in a conversation. */
export function answerOf(value: unknown): string {
  const turns = parsedText(value);
  if (!Array.isArray(turns)) return value === null || value === undefined ? "" : String(value);
  const last: unknown = turns.at(-1);
  return isRecord(last) ? String(last.content ?? last.value ?? "") : "";
}

/** What was said before the answer in a conversation. */
export function askedIn(value: unknown): string {
  const turns = parsedText(value);
  if (!Array.isArray(turns)) return "";
  return turns
    .slice(0, -1)
    .map((turn) => answerOf([turn]))
    .join("\n\n");
}

/** The row with another answer, in every column that holds it. */
export function withAnswer(row: Columns, text: string): Columns {
  const own = answerColumn(Object.keys(row));
  const changed = Object.entries(row).map(([name, value]) => {
    const turns = TURNS.includes(name) ? parsedText(value) : value;
    if (Array.isArray(turns) && (name === own || TURNS.includes(name))) return [name, spoken(turns, text)];
    return [name, name === own ? text : value];
  });
  return Object.fromEntries(changed);
}

/** The turns with another text as the last one, where somebody answers in it. */
function spoken(turns: readonly unknown[], text: string): unknown[] {
  const last = turns.at(-1);
  if (!isRecord(last) || ["user", "human", "system"].includes(String(last.role ?? last.from))) return [...turns];
  const { reasoning_content: _, ...turn } = last;
  return [...turns.slice(0, -1), { ...turn, ["value" in turn && !("content" in turn) ? "value" : "content"]: text }];
}
