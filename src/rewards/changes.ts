/** @file What two judgements of the same completions have in common, and where they differ. */

import { VERDICTS, type Verdict } from "../core/trace.ts";

export type Side = { verdict: Verdict; extracted?: string | null; reason?: string | null };
export type Example = { row: string; answer: string | null; before: Side; after: Side };

export type Changes = {
  add(row: string, answer: string | null | undefined, before: Side, after: Side): void;
  /** How many went from one verdict to another. */
  counts: Record<Verdict, Record<Verdict, number>>;
  /** The first of each change. */
  examples: readonly Example[];
};

const EXAMPLES = 3; // of each change

export function countChanges(): Changes {
  const counts = Object.fromEntries(
    VERDICTS.map((verdict) => [verdict, Object.fromEntries(VERDICTS.map((other) => [other, 0]))]),
  ) as Changes["counts"];
  const examples: Example[] = [];
  return {
    counts,
    examples,
    add(row, answer, before, after) {
      const seen = counts[before.verdict][after.verdict]++;
      if (before.verdict !== after.verdict && seen < EXAMPLES)
        examples.push({ row, answer: answer ?? null, before, after });
    },
  };
}

/** A table before → after of the verdicts that occur, then the examples. */
export function changesText({ counts, examples }: Changes): string {
  const rows = VERDICTS.filter((before) => VERDICTS.some((after) => counts[before][after] > 0));
  const columns = VERDICTS.filter((after) => VERDICTS.some((before) => counts[before][after] > 0));
  const changed = rows.flatMap((before) => columns.map((after) => (before === after ? 0 : counts[before][after])));
  const total = changed.reduce((a, b) => a + b, 0);
  const line = (cells: readonly (string | number)[]) =>
    cells.map((cell, i) => (i === 0 ? String(cell).padEnd(16) : String(cell).padStart(13))).join("");
  return [
    total === 0 ? "No verdict changed." : `${total} verdicts changed:`,
    line(["before \\ after", ...columns]),
    ...rows.map((before) => line([before, ...columns.map((after) => counts[before][after])])),
    ...examples.map(
      ({ row, answer, before, after }) =>
        `\n${row}: ${before.verdict} → ${after.verdict}; reference ${short(answer)}\n  before: ${said(before)}\n  after:  ${said(after)}`,
    ),
  ].join("\n");
}

const said = ({ extracted, reason }: Side) => `${short(extracted)}${reason ? ` (${short(reason, 100)})` : ""}`;

function short(text: string | null | undefined, length = 60): string {
  if (text === null || text === undefined) return "none";
  const line = text.replace(/\s+/g, " ");
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}
