/** @file Who decides what: the decisions of this process and, as they come, those of others who review the same. */

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  completionHash,
  type Decision,
  type DecisionLog,
  follow,
  openDecisions,
  readDecisions,
  reviewersIn,
  type Standing,
  standing,
  traceId,
  undoing,
} from "../../data/decisions.ts";
import { CHECKSUMS } from "../../store/checksums.ts";
import type { Rows } from "./rows.ts";

/** What somebody thinks of a row from now on. */
export type Said = Pick<Decision, "reviewer" | "decision" | "edited" | "tags" | "note">;

export type Session = {
  /** Grows whenever somebody decides something. */
  version(): number;
  decided(row: number): readonly Decision[] | undefined;
  counts(): { rows: number; keep: number; drop: number };
  decide(row: number, said: Said): Promise<void>;
  /** Take back what the reviewer said last. Which trace that was, if there was any. */
  undo(reviewer: string): Promise<Pick<Decision, "prompt_id" | "sample"> | undefined>;
  close(): void;
};

export function openSession(place: string, rows: Pick<Rows, "at" | "id">): Session {
  const logs = new Map<string, Promise<DecisionLog>>();
  const hashes = new Map<number, string>();
  let all: Standing = standing(readDecisions(place));
  let seen = sizes(place);
  let version = 0;

  const log = (reviewer: string) => {
    const known = logs.get(reviewer) ?? openDecisions(place, reviewer);
    logs.set(reviewer, known);
    known.catch(() => logs.delete(reviewer)); // another process may let go of it
    return known;
  };
  const hashOf = (row: number) => {
    const known = hashes.get(row) ?? completionHash(rows.at(row).completion);
    hashes.set(row, known);
    return known;
  };
  /** Read what others wrote meanwhile. */
  const refresh = () => {
    const now = sizes(place);
    if (now === seen) return;
    all = standing(readDecisions(place));
    seen = now;
    version++;
  };
  const take = (decision: Decision) => {
    follow(all, decision);
    seen = sizes(place);
    version++;
  };

  return {
    version() {
      refresh();
      return version;
    },
    decided(row) {
      const of = all.get(traceId(rows.id(row)));
      const hash = of && hashOf(row);
      return of?.filter(({ completion_hash }) => completion_hash === hash);
    },
    counts() {
      const last = [...all.values()].map((of) => of.findLast(({ decision }) => decision !== null)?.decision);
      const count = (kind: string) => last.filter((decision) => decision === kind).length;
      return { rows: all.size, keep: count("keep"), drop: count("drop") };
    },
    async decide(row, said) {
      const opened = await log(said.reviewer);
      refresh();
      const decision = { ...rows.id(row), completion_hash: hashOf(row), ...said, time: now(), undoes: null };
      opened.append([decision]);
      take(decision);
    },
    async undo(reviewer) {
      const opened = await log(reviewer);
      refresh();
      const decision = undoing(opened.rows, now());
      if (!decision) return undefined;
      opened.append([decision]);
      take(decision);
      return decision;
    },
    close() {
      for (const opening of logs.values()) void opening.then((opened) => opened.close());
    },
  };
}

let last = 0;

/** The time, later than that of everything before. */
function now(): string {
  last = Math.max(Date.now(), last + 1);
  return new Date(last).toISOString();
}

/** How far everybody's ledger has grown. */
const sizes = (place: string): string =>
  reviewersIn(place)
    .map((name) => join(place, name, CHECKSUMS))
    .map((path) => (existsSync(path) ? `${path} ${statSync(path).size}` : ""))
    .join("\n");
