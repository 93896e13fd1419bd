/** @file A question and its answer, under the names that datasets have for them. */

import { reasoningOf as ownReasoning } from "../think.ts";
import { isEmpty, listIn, parsedText, RowFault, textOf } from "../values.ts";
import { ABOUT, type Columns, given, REASONING, reasoningOf, SYSTEM, systemOf } from "./beside.ts";
import { conversation, type Reading, type ReadRow, type Shape } from "./shape.ts";

const BESIDE = [...SYSTEM, ...REASONING, "tools", "history"];

type Pair = { prompt: string; completion: string; system?: string; reasoning?: string };

/** Both texts, or both lists of turns. */
export const completion: Shape = {
  kind: "pair",
  needs: ["prompt", "completion"],
  reads: BESIDE,
  read(columns, reading) {
    const [prompt, completion] = [parsedTurns(columns.prompt), parsedTurns(columns.completion)];
    if (Array.isArray(prompt) && Array.isArray(completion)) {
      const beside = [...REASONING, "history"].find((name) => !isEmpty(columns[name]));
      if (beside)
        throw new RowFault(`has a column "${beside}" beside lists of turns. Give it to the turn that it is of`);
      const { row, unread } = conversation([...prompt, ...completion], columns, reading, "prompt and completion");
      const learned = "messages" in row ? row.messages.length - completion.length : 0;
      return "messages" in row
        ? {
            row: { ...row, learn: row.messages.map((_, i) => (i < learned ? false : row.learn?.[i])) },
            unread: unread!,
          }
        : { row };
    }
    if (Array.isArray(prompt) || Array.isArray(completion))
      throw new RowFault(
        "has a list as one of prompt and completion, and a text as the other. Expected two texts, or two lists of turns",
      );
    return pairOf("prompt", "completion", columns, reading);
  },
};

/** A list of turns is also one as JSON; another text that looks like a list is a text. */
function parsedTurns(value: unknown): unknown {
  const parsed = parsedText(value);
  return Array.isArray(parsed) && parsed.every((turn) => typeof turn === "object" && turn && "role" in turn)
    ? parsed
    : value;
}

/** A question and its answer, behind earlier ones where a history has some. */
function pairOf(question: string, answer: string, columns: Columns, reading: Reading): ReadRow {
  if (!isEmpty(columns.tools))
    throw new RowFault('has a column "tools" beside texts. Give messages, which tools belong to');
  const [system, completion] = [systemOf(columns), textOf(columns[answer], answer)];
  const reasoning = notIn(completion, answer, columns);
  const pair: Pair = {
    prompt: textOf(columns[question], question),
    completion,
    ...(system === undefined ? {} : { system }),
    ...(reasoning === undefined ? {} : { reasoning }),
  };
  const history = parsedText(columns.history);
  if (isEmpty(history)) return { row: pair };
  const turns = [...earlier(history), ...exchange(pair.prompt, pair.completion, reasoning)];
  return conversation(turns, columns, { ...reading, turn: {} }, "history");
}

/** The reasoning that stands in a column and not in the answer too, as traces have it in both places. */
function notIn(text: string, answer: string, columns: Columns): string | undefined {
  const [reasoning, own] = [reasoningOf(columns), ownReasoning(text)];
  if (reasoning === undefined || own === null) return reasoning;
  if (own === reasoning.trim()) return undefined;
  const name = REASONING.find((name) => !isEmpty(columns[name]));
  throw new RowFault(`has one reasoning as ${name} and another one in its ${answer}`);
}

const exchange = (asked: string, answered: string, reasoning?: string) => [
  { role: "user", content: asked },
  { role: "assistant", content: answered, ...(reasoning === undefined ? {} : { reasoning_content: reasoning }) },
];

const earlier = (history: unknown) =>
  listIn(history, "a history", "pairs of texts").flatMap((pair, i) => {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw new RowFault(`has a history whose item ${i + 1} is no pair. Expected [question, answer]`);
    return exchange(textOf(pair[0], "history"), textOf(pair[1], "history"));
  });

const pair = (question: string, answer: string): Shape => ({
  kind: "pair",
  rank: 2,
  needs: [question, answer],
  reads: BESIDE,
  read: (columns, reading) => pairOf(question, answer, columns, reading),
});

export const response = pair("prompt", "response");
export const answer = pair("question", "answer");
export const questionResponse = pair("question", "response");
export const solution = pair("problem", "solution");
export const query = pair("query", "response");

/** What the instruction is about stands below it, in a column of its own. */
const instructed = (about: string, answer: string): Shape => ({
  kind: "pair",
  rank: 1,
  needs: ["instruction", answer],
  reads: [about, ...BESIDE],
  read(columns, reading) {
    const below = given(columns, about);
    const asked = textOf(columns.instruction, "instruction") + (below === undefined ? "" : `\n${below}`);
    return pairOf("instruction", answer, { ...columns, instruction: asked }, reading);
  },
});

/** Alpaca's. */
export const instruction = instructed(ABOUT[0]!, "output");
/** Dolly's: the same, with other names. */
export const context = instructed(ABOUT[1]!, "response");
