/**
 * @file What people decided about traces. Each reviewer has a ledger of their own below one folder, so that several may
 * write at once; a row says all that its reviewer thinks of a trace from then on. Nothing is changed: to undo is a row, too.
 */

import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { contentHash } from "../core/hash.ts";
import { Int32, type Table, Utf8 } from "../formats/apache-arrow.ts";
import { wasAppendLog } from "../store/append-log.ts";
import { acquireLock } from "../store/lock.ts";
import { column, listOf } from "./columns.ts";
import { openLedger, readLedger } from "./ledger.ts";
import { tableOf } from "./tables.ts";
import { reasoningOf } from "./think.ts";
import { rowsIn, type Trace } from "./traces.ts";

/** What is decided of a trace, whatever rules said; null where nothing is, or no longer. */
export const DecisionKind = z.enum(["keep", "drop"]).nullable();

export const Decision = z.object({
  prompt_id: z.string(),
  sample: z.int(),
  /** The hash of the completion that was looked at: of another one under the same number nothing is said. */
  completion_hash: z.string(),
  reviewer: z
    .string()
    .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,39}$/u, "expected up to 40 letters, digits, spaces and . _ @ -"),
  decision: DecisionKind,
  /** The completion as it should be. */
  edited: z.string().nullable(),
  tags: z.array(z.string()),
  note: z.string().nullable(),
  /** When, as ISO 8601 has it. */
  time: z.iso.datetime(),
  /** The reviewer's row, from 0, that this one takes back. */
  undoes: z.int().nullable(),
});
export type Decision = z.output<typeof Decision>;

/** In a run's folder. */
export const DECISIONS = "decisions";

const KEY = "decisions";

export const completionHash = (completion: string): string => contentHash(completion);

/** Where the decisions about a dataset lie: inside a run, of which it may be the traces, beside anything else. */
export function decisionsPlace(path: string): string {
  const plain = path.replace(/\/+$/, "");
  const run = [plain, ...(basename(plain) === "traces" ? [dirname(plain)] : [])].find((folder) =>
    existsSync(join(folder, "manifest.json")),
  );
  return run === undefined ? `${plain}.${DECISIONS}` : join(run, DECISIONS);
}

const folderOf = (place: string, reviewer: string) => join(place, encodeURIComponent(reviewer));

const decisionsTable = (rows: readonly Decision[]): Table =>
  tableOf({
    prompt_id: column(new Utf8(), rows, "prompt_id"),
    sample: column(new Int32(), rows, "sample"),
    completion_hash: column(new Utf8(), rows, "completion_hash"),
    reviewer: column(new Utf8(), rows, "reviewer"),
    decision: column(new Utf8(), rows, "decision"),
    edited: column(new Utf8(), rows, "edited"),
    tags: column(listOf(new Utf8()), rows, "tags"),
    note: column(new Utf8(), rows, "note"),
    time: column(new Utf8(), rows, "time"),
    undoes: column(new Int32(), rows, "undoes"),
  });

export type DecisionLog = {
  readonly rows: readonly Decision[];
  /** Keep decisions of this reviewer. When this returns they are on the disk. */
  append(rows: readonly Decision[]): void;
  close(): void;
};

/** Open a reviewer's decisions to add to; one process at a time may. */
export async function openDecisions(
  place: string,
  reviewer: string,
  told: (sentence: string) => void = console.error,
): Promise<DecisionLog> {
  const folder = folderOf(place, reviewer);
  const lock = await acquireLock(join(place, ".locks", encodeURIComponent(reviewer)), `The decisions of ${reviewer}`);
  try {
    const ledger = openLedger(folder, { key: KEY, told });
    const rows = [...ledger.tables()].flatMap(({ table }) => [...rowsIn<Decision>(table)]);
    return {
      rows,
      append(added) {
        ledger.append(decisionsTable(added));
        rows.push(...added);
      },
      close() {
        ledger.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Say what is damaged in what was decided, and go on with what can be read; what somebody is deciding now is left alone. */
export async function mendDecisions(place: string, told?: (sentence: string) => void): Promise<void> {
  for (const folder of reviewersIn(place)) {
    try {
      for (const _ of readLedger(join(place, folder), KEY));
    } catch {
      (await openDecisions(place, decodeURIComponent(folder), told)).close();
    }
  }
}

/** All that was decided, by anybody, in the order of time; while somebody may be deciding. */
export function readDecisions(place: string): Decision[] {
  return reviewersIn(place)
    .flatMap((folder) => [...readLedger(join(place, folder), KEY)])
    .flatMap(({ table }) => [...rowsIn<Decision>(table)])
    .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

/** The folders of those who decided something. */
export const reviewersIn = (place: string): string[] =>
  existsSync(place)
    ? readdirSync(place)
        .filter((name) => wasAppendLog(join(place, name)))
        .sort()
    : [];

/** Names the trace that a decision is about. */
export const traceId = ({ prompt_id, sample }: Pick<Decision, "prompt_id" | "sample">) => `${sample} ${prompt_id}`;

/** What each reviewer thinks now, by trace, who decided last as the last; what was taken back is not there. */
export type Standing = Map<string, Decision[]>;

export function standing(decisions: readonly Decision[]): Standing {
  const all: Standing = new Map();
  for (const decision of decisions) follow(all, decision);
  return all;
}

/** Take account of a decision that comes after all others. */
export function follow(all: Standing, decision: Decision): void {
  const id = traceId(decision);
  const others = (all.get(id) ?? []).filter(({ reviewer }) => reviewer !== decision.reviewer);
  const now = says(decision) ? [...others, decision] : others;
  if (now.length > 0) all.set(id, now);
  else all.delete(id);
}

const says = ({ decision, edited, tags, note }: Decision) =>
  decision !== null || edited !== null || tags.length > 0 || note !== null;

/** The traces as people left them: who decided last about one has the last word, before any rule. */
export function* reviewed(traces: Iterable<Trace>, decisions: readonly Decision[]): Generator<Trace> {
  const all = standing(decisions);
  for (const trace of traces) {
    const of = all.get(traceId(trace));
    const hash = of && completionHash(trace.completion);
    const { decision, edited } = ruling(of?.filter(({ completion_hash }) => completion_hash === hash) ?? []);
    yield {
      ...(edited === null ? trace : changed(trace, edited)),
      ...(decision === null ? {} : { accepted: decision === "keep" }),
    };
  }
}

/** What holds of what several think of one trace: of each the last word. */
export const ruling = (of: readonly Decision[]): Pick<Decision, "decision" | "edited"> => ({
  decision: of.findLast(({ decision }) => decision !== null)?.decision ?? null,
  edited: of.findLast(({ edited }) => edited !== null)?.edited ?? null,
});

/** With another completion: it is whole, and what the teacher found likely in its places is not known. */
function changed({ top_token_ids: _, top_logprobs: __, tail_probability: ___, ...trace }: Trace, text: string): Trace {
  return { ...trace, completion: text, reasoning: reasoningOf(text), finish_reason: "stop" };
}

/** What the selection hangs on of them: nothing where nobody thinks anything. */
export const decisionsInput = (decisions: readonly Decision[]): { decisions?: string } => {
  const now = [...standing(decisions)].flatMap(([id, of]) =>
    [...new Set(of.map(({ completion_hash }) => completion_hash))].flatMap((hash) => {
      const { decision, edited } = ruling(of.filter(({ completion_hash }) => completion_hash === hash));
      return decision === null && edited === null ? [] : [[id, hash, decision, edited]];
    }),
  );
  now.sort((a, b) => (String(a) < String(b) ? -1 : 1));
  return now.length > 0 ? { decisions: contentHash(now) } : {};
};

/** The row that takes a reviewer's last change back, and tells what they thought before; nothing where there is none. */
export function undoing(rows: readonly Decision[], time: string): Decision | undefined {
  const stack: number[] = [];
  for (const [i, { undoes }] of rows.entries())
    if (undoes === null) stack.push(i);
    else {
      // of the trace that it is about: rows that were imported may lie between
      const taken = stack.findLastIndex((j) => traceId(rows[j]!) === traceId(rows[i]!));
      if (taken >= 0) stack.splice(taken, 1);
    }
  const last = stack.at(-1);
  if (last === undefined) return undefined;
  const { prompt_id, sample, completion_hash, reviewer } = rows[last]!;
  const id = traceId(rows[last]!);
  const before = stack.slice(0, -1).findLast((i) => traceId(rows[i]!) === id);
  const { decision, edited, tags, note } =
    before === undefined ? { decision: null, edited: null, tags: [], note: null } : rows[before]!;
  return { prompt_id, sample, completion_hash, reviewer, decision, edited, tags, note, time, undoes: last };
}

/** The decisions in lines of JSON, such as readDecisions' own; `where` names them in errors. */
export function parseDecisions(text: string, where: string): Decision[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      throw new DistillError(`${where}, line ${i + 1} is not JSON: ${(error as Error).message}.`);
    }
    const read = Decision.safeParse({ edited: null, tags: [], note: null, undoes: null, ...(value as object) });
    if (read.success) return [read.data];
    const { path, message } = read.error.issues[0]!;
    throw new DistillError(
      `${where}, line ${i + 1}, ${path.join(".") || "the line"}: ${message}. Expected what --export writes.`,
    );
  });
}
