/** @file What a published form of questions is: which columns a row has, and what is asked and compared. */

import { isEmpty, RowFault, textOf } from "../values.ts";

export type Row = Record<string, unknown>;

export type Form = {
  /** The columns without which a row is not of this form; of several the first that is there is read. */
  needs: readonly (string | readonly string[])[];
  /** What is asked, and the reference. Throws a RowFault where the row says neither. */
  read(row: Row): { id?: string; prompt: string; answer: string };
};

/** A column as a text. */
export const text = (row: Row, name: string): string => textOf(row[name], name);

/** Throw where a row lacks a column. */
export function requireColumns(row: Row, name: string, { needs }: Form): void {
  for (const need of needs) {
    const names = typeof need === "string" ? [need] : need;
    if (names.every((column) => isEmpty(row[column])))
      throw new RowFault(
        `has ${Object.keys(row).join(", ") || "no columns"}. Expected "${names.join('" or "')}", as rows of the form ${name} have`,
      );
  }
}

/** The letters of choices. */
export const LETTERS = "ABCDEFGHIJ";

/** A question with its choices, a line each. */
export function withChoices(question: string, choices: readonly string[]): string {
  if (choices.length < 2 || choices.length > LETTERS.length)
    throw new RowFault(`has ${choices.length} choices. Expected 2 to ${LETTERS.length}`);
  return `${question.trim()}\n\n${choices.map((choice, i) => `${LETTERS[i]}) ${choice.trim()}`).join("\n")}`;
}

/** Tests as the rule `code` reads them. */
export const tested = (tests: { stdin_tests: unknown } | { assertions: string[] }): string =>
  JSON.stringify({ language: "python", ...tests });
