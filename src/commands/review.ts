/** @file distill review: people look at traces and have the last word. */

import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { z } from "zod";
import { DistillError, Stopped } from "../core/errors.ts";
import { requireOwn, writeOver, writeWholeFrom } from "../core/files.ts";
import { readText } from "../core/reading.ts";
import {
  type Decision,
  DecisionKind,
  Decision as DecisionRow,
  decisionsPlace,
  mendDecisions,
  openDecisions,
  parseDecisions,
  readDecisions,
} from "../data/decisions.ts";
import { type Answer, type Asked, ended, Port, serveLocally } from "./local-server.ts";
import { argillaRecord, isArgilla } from "./review/argilla.ts";
import type { Line, Part, Whole } from "./review/client/server.ts";
import { reviewPage } from "./review/page.ts";
import { completionPieces } from "./review/pieces.ts";
import { programModules } from "./review/program.ts";
import { Filter, type Rows, readRows } from "./review/rows.ts";
import { openSession, type Session } from "./review/session.ts";

export type ReviewArguments = { port?: string; as?: string; export?: string; import?: string; argilla?: string };

export async function review(given: string, options: ReviewArguments, signal: AbortSignal): Promise<void> {
  const port = Port.safeParse(options.port);
  if (!port.success) throw new DistillError(`--port: ${port.error.issues[0]!.message}.`);
  const reviewer = DecisionRow.shape.reviewer.safeParse(options.as ?? nameHere());
  if (!reviewer.success) throw new DistillError(`--as: ${reviewer.error.issues[0]!.message}.`);
  if (!existsSync(given))
    throw new DistillError(`${given} is not there. Expected a run, such as runs/mine, or a dataset.`);
  const path = resolve(given);
  if (basename(path) === "dataset" && existsSync(join(dirname(path), "manifest.json")))
    throw new DistillError(
      `${given} is what was selected of a run's traces. Review those: distill review ${dirname(given)}.`,
    );
  const place = decisionsPlace(path);
  await mendDecisions(place);
  if (options.import !== undefined) return importDecisions(options.import, place);
  if (options.export !== undefined) return exportDecisions(options.export, readDecisions(place));
  const rows = await readRows(path, signal);
  const session = openSession(place, rows);
  try {
    if (options.argilla !== undefined) return await exportArgilla(options.argilla, rows, session, signal);
    const title = basename(resolve(path));
    const server = await serveLocally(handler(title, rows, session, reviewer.data), port.data);
    console.log(
      `${rows.length.toLocaleString("en-US")} traces of ${path} are shown on ${server.url}\nDecisions are kept in ${place}; Ctrl-C ends the review.`,
    );
    await ended(signal);
    await server.close();
  } finally {
    session.close();
  }
}

function nameHere(): string {
  try {
    return userInfo().username;
  } catch {
    return "me"; // a user without a name, as in some containers
  }
}

const At = z.object({ i: z.coerce.number().pipe(z.int().nonnegative()) });
const Window = z.object({
  from: z.coerce.number().pipe(z.int().nonnegative()),
  count: z.coerce.number().pipe(z.int().min(1).max(500)),
});
const LONGEST = 2 ** 20; // characters of a text
const Saying = At.extend({
  reviewer: DecisionRow.shape.reviewer,
  decision: DecisionKind,
  edited: z.string().max(LONGEST).nullable(),
  tags: z.array(z.string().min(1).max(60)).max(30),
  note: z.string().max(LONGEST).nullable(),
});

function handler(title: string, rows: Rows, session: Session, reviewer: string) {
  const modules = programModules();
  let known: { of: string; found: Uint32Array } | undefined;
  /** The rows that fit, which are the same until somebody decides something. */
  const found = (query: Record<string, string>): Uint32Array => {
    const filter = Filter.parse(query);
    const of = JSON.stringify([filter, filter.decided || filter.disagreement ? session.version() : 0]);
    if (known?.of !== of) known = { of, found: rows.find(filter, session.decided) };
    return known.found;
  };
  const checked = (i: number): number => {
    if (i >= rows.length) throw new DistillError(`There are ${rows.length} rows, and no row ${i}.`);
    return i;
  };
  return async ({ method, path, query, body }: Asked): Promise<Answer> => {
    if (method === "POST" && path === "decide") {
      const { i, ...said } = Saying.parse(await body());
      await session.decide(checked(i), said);
      return { json: { version: session.version() } };
    }
    if (method === "POST" && path === "undo") {
      const undone = await session.undo(Saying.pick({ reviewer: true }).parse(await body()).reviewer);
      return { json: { undone: undone ? `${undone.prompt_id}, sample ${undone.sample}` : null } };
    }
    if (method !== "GET") return { status: 405, error: "not a way to ask" };
    if (path === "") return { html: reviewPage(title, rows.rules, reviewer) };
    const script = modules.get(path);
    if (script !== undefined) return { script };
    if (path === "version") return { json: { version: session.version() } };
    if (path === "rows") {
      const { from, count, ...rest } = Object.fromEntries(query);
      const window = Window.parse({ from, count });
      const version = session.version();
      const fitting = found(rest);
      const some = [...fitting.subarray(window.from, window.from + window.count)].map((i) => lineOf(i, rows, session));
      const part: Part = { total: fitting.length, all: rows.length, version, counts: session.counts(), rows: some };
      return { json: part };
    }
    if (path === "row") {
      const i = checked(At.parse(Object.fromEntries(query)).i);
      const { prompt = "", answer, completion, reason, extracted, rewards } = rows.at(i);
      const whole: Whole = {
        ...lineOf(i, rows, session),
        prompt: completionPieces(prompt),
        answer: answer ?? null,
        pieces: completionPieces(completion),
        completion,
        reason: reason ?? null,
        extracted: extracted ?? null,
        rewards: rewards ?? {},
        decisions: [...(session.decided(i) ?? [])],
      };
      return { json: whole };
    }
    return { status: 404, error: "nothing is there" };
  };
}

function lineOf(i: number, rows: Rows, session: Session): Line {
  const of = session.decided(i) ?? [];
  return {
    i,
    ...rows.line(i),
    decision: of.findLast(({ decision }) => decision !== null)?.decision ?? null,
    edited: of.some(({ edited }) => edited !== null),
    by: of.map(({ reviewer }) => reviewer),
  };
}

function exportDecisions(path: string, decisions: readonly Decision[]): void {
  const lines = decisions.map((decision) => JSON.stringify(decision));
  const known = new Set(lines);
  writeOver(path, lines.map((line) => `${line}\n`).join(""), "an export of these decisions", (content) =>
    // an earlier one holds nothing that this one has not
    Buffer.from(content)
      .toString("utf8")
      .split("\n")
      .every((line) => line === "" || known.has(line)),
  );
  console.log(`${path} has ${decisions.length} decisions.`);
}

/** Decisions that are there already are not added again. */
async function importDecisions(path: string, place: string): Promise<void> {
  if (!existsSync(path))
    throw new DistillError(`${path} is not there. Expected lines of JSON, as --export writes them.`);
  const given = parseDecisions(readText(path, "Decisions"), path);
  let [added, there] = [0, 0];
  for (const reviewer of new Set(given.map(({ reviewer }) => reviewer))) {
    const decisions = given.filter((one) => one.reviewer === reviewer);
    const log = await openDecisions(place, reviewer);
    try {
      const known = new Set(log.rows.map((row) => JSON.stringify([row.time, row.prompt_id, row.sample])));
      const fresh = decisions.filter(
        ({ time, prompt_id, sample }) => !known.has(JSON.stringify([time, prompt_id, sample])),
      );
      if (fresh.length > 0) log.append(fresh);
      added += fresh.length;
      there += decisions.length - fresh.length;
    } finally {
      log.close();
    }
  }
  console.log(`${added} decisions were added to ${place}${there > 0 ? `; ${there} were there` : ""}.`);
}

/** Records that are made between two looks at the signal. */
const RECORDS = 1000;

async function exportArgilla(path: string, rows: Rows, session: Session, signal: AbortSignal): Promise<void> {
  requireOwn(path, "an export for Argilla", isArgilla);
  let completed = 0;
  async function* pieces() {
    for (let i = 0; i < rows.length; i += RECORDS) {
      await turn();
      if (signal.aborted) throw new Stopped();
      const records = Array.from({ length: Math.min(RECORDS, rows.length - i) }, (_, k) =>
        argillaRecord(rows.at(i + k), session.decided(i + k) ?? []),
      );
      completed += records.filter(({ status }) => status === "completed").length;
      yield Buffer.from(`${i === 0 ? "[" : ","}${JSON.stringify(records).slice(1, -1)}`);
    }
    yield Buffer.from("]\n");
  }
  await writeWholeFrom(path, pieces());
  console.log(`${path} has ${rows.length} records, ${completed} of them with decisions.`);
}
