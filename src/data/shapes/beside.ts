/** @file Columns that belong to a conversation or a pair and stand beside it: system texts, reasoning, earlier turns. */

import { isEmpty, RowFault, textOf } from "../values.ts";

export type Columns = Readonly<Record<string, unknown>>;

/** What a system says, as datasets call it. */
export const SYSTEM = ["system", "system_prompt", "system_message"];
/** What was thought before an answer. */
export const REASONING = ["reasoning_content", "reasoning", "thinking"];
/** What else is part of a question. */
export const ABOUT = ["input", "context"];

/** Columns that say something of what is asked or answered, whichever columns a row is known by. */
export const SAYING = [...SYSTEM, ...REASONING, "tools", "history"];

/** The text of a column, where there is one. */
export const given = (columns: Columns, name: string): string | undefined =>
  isEmpty(columns[name]) ? undefined : textOf(columns[name], name);

/** What the system says. */
export function systemOf(columns: Columns): string | undefined {
  const [first, ...others] = SYSTEM.flatMap((name) => {
    const text = given(columns, name);
    return text === undefined ? [] : [{ name, text }];
  });
  const other = others.find(({ text }) => text !== first!.text);
  if (other) throw new RowFault(`has a column "${first!.name}" and another one "${other.name}". Leave out one of them`);
  return first?.text;
}

/** Switches, which some datasets keep in a column of such a name. */
const SWITCH = /^(on|off|true|false|yes|no|none)$/i;

/** What was thought before the answer. */
export function reasoningOf(columns: Columns): string | undefined {
  const names = REASONING.filter((name) => !isEmpty(columns[name]));
  if (names.length > 1) throw new RowFault(`has its reasoning twice, as ${names.join(" and ")}. Leave out one of them`);
  const [name] = names;
  if (name === undefined) return undefined;
  const text = given(columns, name)!;
  if (SWITCH.test(text.trim()))
    throw new RowFault(
      `has "${text}" as its ${name}, which says whether there is reasoning, and not which. Leave the column out`,
    );
  return text;
}
