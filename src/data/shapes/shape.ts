/** @file What the columns of a row mean. */

import type { ReadTurn, Roles, Turn, TurnKeys } from "../turns.ts";
import { readTurns } from "../turns.ts";
import { isEmpty, isRecord, listIn, parsedText, RowFault, wellFormedIn } from "../values.ts";
import { type Columns, SYSTEM, systemOf } from "./beside.ts";

/** What is trained on. */
export type TrainingRow =
  /** The completion behind the prompt, which a student with a chat template reads as a turn of a user's. */
  | { prompt: string; completion: string; system?: string | undefined; reasoning?: string | undefined }
  /** Turns of the assistant; `learn` says of each message whether it is trained on, where that was said. */
  | {
      messages: readonly Turn[];
      learn?: readonly (boolean | undefined)[] | undefined;
      tools?: readonly unknown[] | undefined;
    }
  /** All of a text. */
  | { text: string }
  /** Tokens, and which of them are learned. */
  | { tokens: readonly number[]; supervised: readonly boolean[] };

/** How rows are read that do not say so themselves. */
export type Reading = {
  roles: Roles;
  /** What is trained on where a row has both: of a student that continues text, what was asked and answered as texts. */
  prefer: "messages" | "prompt";
  /** The keys of a turn, where they have other names. */
  turn: TurnKeys;
};

/** A row, and what of its turns was not read. */
export type ReadRow = { row: TrainingRow; unread?: readonly string[] };

export type Shape = {
  /** Which goes first of shapes that a row has both of: those of the same kind from the lowest on. */
  kind: "trace" | "conversation" | "pair" | "tokens" | "text";
  rank?: number;
  /** The columns by which a row of this shape is known. */
  needs: readonly string[];
  /** What else it reads where it is there. */
  reads: readonly string[];
  read(columns: Columns, reading: Reading): ReadRow;
};

/** What is read beside turns. */
export const BESIDE_TURNS = [...SYSTEM, "tools"];

/** A list of turns as a conversation, behind the row's system text, with the tools of its column. */
export function conversation(turns: unknown, columns: Columns, { roles, turn: keys }: Reading, what: string): ReadRow {
  const list = listIn(turns, what, "turns, each with role and content");
  if (list.length === 0) throw new RowFault(`has no turns in ${what}. Expected what a user says and what is answered`);
  return conversationOf(readTurns(list, roles, keys), columns);
}

function conversationOf(turns: readonly ReadTurn[], columns: Columns): ReadRow {
  const system = systemOf(columns);
  if (system !== undefined && turns[0]?.turn.role === "system") {
    const name = SYSTEM.find((name) => !isEmpty(columns[name]));
    throw new RowFault(`has a column "${name}" and a first turn of the role system. Leave out one of them`);
  }
  const opening: ReadTurn[] =
    system === undefined ? [] : [{ turn: { role: "system", content: system }, learn: undefined, unread: [] }];
  const all = [...opening, ...turns];
  const tools = toolsOf(columns);
  return {
    row: {
      messages: all.map(({ turn }) => turn),
      ...(all.some(({ learn }) => learn !== undefined) ? { learn: all.map(({ learn }) => learn) } : {}),
      ...(tools ? { tools } : {}),
    },
    unread: all.flatMap(({ unread }) => unread),
  };
}

function toolsOf(columns: Columns): readonly unknown[] | undefined {
  const tools = parsedText(columns.tools);
  if (isEmpty(tools)) return undefined;
  return listIn(tools, "tools", "functions").map((tool) => {
    const one = parsedText(tool);
    const described = isRecord(one) ? (isRecord(one.function) ? one.function : one) : undefined;
    if (typeof described?.name !== "string")
      throw new RowFault("has a tool without a name. Expected { type: function, function: { name, parameters } }");
    return wellFormedIn(one, `tool ${described.name}`);
  });
}

/** What a user says, with the reasoning of the answer in its think block. */
export const thought = (reasoning: string | undefined): string =>
  reasoning ? `<think>\n${reasoning.trim()}\n</think>\n\n` : "";
