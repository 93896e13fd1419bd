/** @file What is to be said of a dataset's rows: those that cannot be used, columns that are not read, tokens cut at a boundary. */

import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { writeWhole } from "../core/files.ts";
import { readJson } from "../core/reading.ts";
import type { Segment } from "./batch.ts";
import type { ReadingRow, TrainingRow } from "./rows.ts";

const Findings = z.object({
  rows: z.int(),
  /** How many those who reviewed them dropped and edited. */
  dropped: z.int().default(0),
  edited: z.int().default(0),
  /** How many decisions of a review are about no row. */
  stale: z.int().default(0),
  /** How many cannot be used, and why the first of them cannot. */
  bad: z.int(),
  why: z.array(z.string()),
  /** Columns, and keys of turns, that are not read. */
  unread: z.array(z.string()),
  /** How many rows have a token on both sides of a boundary, and the first of them. */
  split: z.int(),
  first_split: z.string().optional(),
  /** How many rows begin with a turn of the assistant, which is not learned. */
  unasked: z.int(),
});
export type Findings = z.output<typeof Findings>;

export type Collector = {
  readonly found: Findings;
  /** What `make` makes of a row; nothing where it cannot be used. */
  of(read: ReadingRow, make: (row: TrainingRow) => Segment[]): Segment[];
  /** Whether it makes no sense to read on. */
  hopeless(): boolean;
};

const KEPT = 100;
/** So many rows without a good one, and the dataset is another than the recipe thinks. */
const HOPELESS = 1000;

export function collector(): Collector {
  const found: Findings = {
    rows: 0,
    dropped: 0,
    edited: 0,
    stale: 0,
    bad: 0,
    why: [],
    unread: [],
    split: 0,
    unasked: 0,
  };
  const unread = new Set<string>();
  const refuse = (why: string): [] => {
    found.bad++;
    if (found.why.length < KEPT) found.why.push(why);
    return [];
  };
  return {
    found,
    of(read, make) {
      if ("stale" in read) {
        found.stale += read.stale;
        return [];
      }
      found.rows++;
      if ("dropped" in read) {
        found.dropped++;
        return [];
      }
      if ("fault" in read) return refuse(read.fault);
      if (read.edited) found.edited++;
      for (const name of read.unread)
        if (!unread.has(name)) {
          unread.add(name);
          found.unread.push(name);
        }
      try {
        const segments = make(read.row);
        if (segments.some(({ split }) => split)) {
          found.split++;
          found.first_split ??= read.where;
        }
        if (segments.some(({ unasked }) => unasked)) found.unasked++;
        return segments;
      } catch (error) {
        if (error instanceof DistillError) return refuse(error.message);
        throw error;
      }
    },
    hopeless: () => found.bad >= HOPELESS && found.bad === found.rows,
  };
}

export const FINDINGS = "findings.json";

export const writeFindings = (folder: string, findings: Findings): void =>
  writeWhole(join(folder, FINDINGS), `${JSON.stringify(findings)}\n`);

export const readFindings = (folder: string): Findings =>
  Findings.parse(readJson(join(folder, FINDINGS), "What was found of the dataset"));

const SHOWN = 20;
const SKIP = "trainer.on_bad_row: skip leaves such rows out.";

/** Throw where there are rows that cannot be used, and they are not to be skipped, or where there are no others. */
export function requireUsable(
  name: string,
  { rows, dropped, bad, why }: Findings,
  { on_bad_row = "error" }: { on_bad_row?: "error" | "skip" },
): void {
  if (rows === 0) throw new DistillError(`${name} has no rows.`);
  if (dropped === rows)
    throw new DistillError(`All ${rows} rows of ${name} were dropped in review. distill review ${name} shows them.`);
  if (bad === 0 || (on_bad_row === "skip" && bad < rows)) return;
  const cure = bad < rows ? ` ${SKIP}` : "";
  if (bad === 1) throw new DistillError(`${why[0]}${cure}`);
  throw new DistillError(`${bad} of ${rows} rows of ${name} cannot be used. ${listed(why, bad)}${cure}`);
}

/** Rows with the same reason, from which on only the first of them has it in full. */
const ALIKE = 4;
const PLACE = /, (line|row) (\d+)/;

function listed(why: readonly string[], all: number, shown = SHOWN): string {
  const more = all > shown ? ` And ${all - Math.min(shown, why.length)} more.` : "";
  const reasons = why.slice(0, shown).map((reason) => {
    const [place = "", word, number] = PLACE.exec(reason) ?? [];
    return { reason, kind: place === "" ? reason : reason.replaceAll(place, ""), word, number };
  });
  const named = new Set<string>();
  const said = reasons.flatMap(({ reason, kind, word }) => {
    const alike = reasons.filter((other) => word !== undefined && other.kind === kind);
    if (alike.length < ALIKE) return reason;
    if (named.has(kind)) return [];
    named.add(kind);
    const [, ...others] = alike.map(({ number }) => number);
    return `${reason} The same of ${word}s ${others.join(", ")}.`;
  });
  return said.join(" ") + more;
}

/** What is said of a dataset beside what is trained on, a sentence a line. */
export function describeFindings(
  name: string,
  { rows, dropped, edited, stale, bad, why, unread, split, first_split, unasked }: Findings,
): string[] {
  return [
    ...(dropped + edited > 0
      ? [
          `Of ${rows} rows of ${name} ${dropped} were dropped in review and left out, and ${edited} are read as edited there.`,
        ]
      : []),
    ...(stale > 0
      ? [
          `${stale} decisions of a review are about rows that ${name} does not have, or has with another text or in another place: they say nothing.`,
        ]
      : []),
    ...(bad > 0 ? [`${bad} of ${rows} rows of ${name} cannot be used, and were left out. ${listed(why, bad, 5)}`] : []),
    ...(unread.length > 0 ? [`Not read of ${name}: ${unread.join(", ")}.`] : []),
    ...(unasked > 0
      ? [
          `${unasked} of ${rows} rows of ${name} begin with a turn of the assistant, which no prompt asks for: it is not learned.`,
        ]
      : []),
    ...(split > 0
      ? [
          `In ${split} of ${rows} rows of ${name} a token of the whole text stands on both sides of the boundary of what is learned, and was cut there; the first is ${first_split}.`,
        ]
      : []),
  ];
}
