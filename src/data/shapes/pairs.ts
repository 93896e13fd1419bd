/** @file A question and its answer, under the names that datasets have for them. */

import { reasoningOf } from "../think.ts";
import { isEmpty, parsedText, RowFault, textOf } from "../values.ts";
import { type Columns, conversation, given, type Shape, thought } from "./shape.ts";

const REASONING = ["reasoning_content", "reasoning", "thinking"];

/** Both texts, or both lists of turns. */
export const completion: Shape = {
  kind: "pair",
  needs: ["prompt", "completion"],
  reads: ["system", "tools", ...REASONING],
  read(columns, reading) {
    const [prompt, completion] = [parsedTurns(columns.prompt), parsedTurns(columns.completion)];
    if (Array.isArray(prompt) && Array.isArray(completion)) {
      const beside = REASONING.find((name) => !isEmpty(columns[name]));
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
      throw new RowFault("has a list as one of prompt and completion, and a text as the other. Expected two of a kind");
    requireNoTools(columns);
    return { row: pair("prompt", "completion").of(columns) };
  },
};

function requireNoTools(columns: Columns): void {
  if (!isEmpty(columns.tools))
    throw new RowFault('has a column "tools" beside texts. Give messages, which tools belong to');
}

/** A list of turns is also one as JSON; another text that looks like a list is a text. */
function parsedTurns(value: unknown): unknown {
  const parsed = parsedText(value);
  return Array.isArray(parsed) && parsed.every((turn) => typeof turn === "object" && turn && "role" in turn)
    ? parsed
    : value;
}

function pair(
  question: string,
  answer: string,
): Shape & { of(columns: Record<string, unknown>): { prompt: string; completion: string; system?: string } } {
  const of = (columns: Record<string, unknown>) => {
    const system = given(columns, "system");
    const reasoning = REASONING.filter((name) => !isEmpty(columns[name]));
    if (reasoning.length > 1) throw new RowFault(`has its reasoning twice, as ${reasoning.join(" and ")}`);
    const thinks = reasoning[0] === undefined ? undefined : given(columns, reasoning[0]);
    const text = textOf(columns[answer], answer);
    const own = thinks === undefined ? null : reasoningOf(text); // as traces have it, in both places
    if (own !== null && own !== thinks!.trim())
      throw new RowFault(`has one reasoning as ${reasoning[0]} and another one in its ${answer}`);
    return {
      prompt: textOf(columns[question], question),
      completion: own === null ? thought(thinks) + text : text,
      ...(system === undefined ? {} : { system }),
    };
  };
  return {
    kind: "pair",
    rank: 2,
    needs: [question, answer],
    reads: ["system", ...REASONING],
    of,
    read: (columns) => ({ row: of(columns) }),
  };
}

export const response: Shape = pair("prompt", "response");
export const answer: Shape = pair("question", "answer");
export const questionResponse: Shape = pair("question", "response");
export const solution: Shape = pair("problem", "solution");
export const query: Shape = pair("query", "response");

/** Alpaca's: what the instruction is about stands below it; earlier turns are pairs of texts. */
export const instruction: Shape = {
  kind: "pair",
  rank: 1,
  needs: ["instruction", "output"],
  reads: ["input", "system", "history", "tools", ...REASONING],
  read(columns, reading) {
    const input = given(columns, "input");
    const asked = textOf(columns.instruction, "instruction") + (input === undefined ? "" : `\n${input}`);
    const one = pair("instruction", "output").of({ ...columns, instruction: asked });
    const history = parsedText(columns.history);
    if (isEmpty(history)) {
      requireNoTools(columns);
      return { row: one };
    }
    if (!Array.isArray(history)) throw new RowFault("has a history that is no list. Expected pairs of texts");
    const earlier = history.flatMap((pair, i) => {
      if (!Array.isArray(pair) || pair.length !== 2)
        throw new RowFault(`has a history whose item ${i + 1} is no pair. Expected [question, answer]`);
      return [
        { role: "user", content: textOf(pair[0], "history") },
        { role: "assistant", content: textOf(pair[1], "history") },
      ];
    });
    const turns = [...earlier, { role: "user", content: one.prompt }, { role: "assistant", content: one.completion }];
    return conversation(turns, columns, { ...reading, turn: {} }, "history");
  },
};

/** Dolly's: the same, with other names. */
export const context: Shape = {
  kind: "pair",
  rank: 1,
  needs: ["instruction", "response"],
  reads: ["context", "system", ...REASONING],
  read: ({ context, response, ...columns }, reading) =>
    instruction.read({ ...columns, input: context, output: response }, reading),
};
