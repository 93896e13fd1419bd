/**
 * @file The journal of a teacher that is paid for: what is asked is written before it is sent, and what came as it came.
 * Counters are derived from it and kept nowhere else.
 */

import { answeredOf, type InMemory, inMemory, packed, type Row, rowAt, tableOfRows, textOf } from "./journal-rows.ts";
import { ledgerRows, openLedger } from "./ledger.ts";

/**
 * How an attempt ended. `complete`: an answer; `unsent`: nothing reached the server; `refused`: it did no work; `impossible`:
 * this request is answered by no server; `failed`: after work, or nobody knows; `lying`: an answer that is none; `cancelled`:
 * by us, on the way; `fatal`: no request will be answered, such as without money; `note`: no attempt, but something to
 * remember under that name.
 */
export type Outcome =
  | "complete"
  | "unsent"
  | "refused"
  | "impossible"
  | "failed"
  | "lying"
  | "cancelled"
  | "fatal"
  | "note";

/** What an attempt used, as far as that is known, else the most that it may have used. */
export type Used = { prompt_tokens: number; completion_tokens: number; cost: number | null };

export type Attempt = { id: string; attempt: number; endpoint: string; seed: number; most: Used };

export type Ending = {
  outcome: Outcome;
  reason: string | null;
  status: number | null;
  /** Whether the body is a stream of events. */
  stream: boolean;
  /** As it came, as far as it came. */
  body: Uint8Array | null;
  used: Used;
  /** Whether that is what it used, and not the most that it may have. */
  certain: boolean;
  /** Milliseconds. */
  latency: number;
};

/** What came in an attempt. */
export type Answered = Attempt & Ending;

/** Requests, and what they used. */
type Sum = { requests: number; prompt_tokens: number; completion_tokens: number; cost: number };

/** Requests that were answered, and in `maybe` those that were sent and not answered, with the most that they may have used. */
export type Spent = Sum & { maybe: Sum };

export const nothingSpent = (): Spent => ({ ...nothing(), maybe: nothing() });

const nothing = (): Sum => ({ requests: 0, prompt_tokens: 0, completion_tokens: 0, cost: 0 });

/** Add what one request used to a sum, or take it away. */
function count(to: Sum, used: Used, sign: 1 | -1 = 1): void {
  to.requests += sign;
  to.prompt_tokens += sign * used.prompt_tokens;
  to.completion_tokens += sign * used.completion_tokens;
  to.cost += sign * (used.cost ?? 0);
}

export type Journal = {
  /** Where it is kept. */
  readonly folder: string | undefined;
  /** Rows that were written and cannot be read any more. */
  readonly damaged: number;
  /** The complete answer of a request. */
  answer(id: string): Answered | undefined;
  /** Attempts of a request that ended so. */
  ended(id: string, outcome: Outcome): number;
  /** The number that the next attempt of a request has. */
  next(id: string): number;
  /** The attempt of a request whose end an earlier process has not seen. */
  open(id: string): Attempt | undefined;
  /** Write that attempts are made. When this is resolved it is on the disk. */
  sent(attempts: readonly Attempt[]): Promise<void>;
  /** Write how one ended. */
  end(attempt: Attempt, ending: Ending): Promise<void>;
  /** Something to remember, and what was written last under that name. */
  note(name: string, value: object): Promise<void>;
  noted<Value>(name: string): Value | undefined;
  spent(): Spent;
  close(): Promise<void>;
};

/** What is known of a request. */
type Known = {
  attempts: number;
  /** Attempts whose end is written. */
  closed: Set<number>;
  ended: Map<Outcome, number>;
  open: Map<number, Attempt>;
  /** The row of its answer in the ledger. */
  answer?: number;
};

/** Milliseconds between two writes. */
const GROUP = 20;

/** Open a journal, new or as an earlier process left it; one that is nowhere lasts as long as the process. */
export function openJournal(place?: { folder: string; key: string }, told = console.error): Journal {
  const ledger = place ? openLedger(place.folder, { key: place.key, told }) : inMemory();
  const known = new Map<string, Known>();
  const notes = new Map<string, object>();
  const spent = nothingSpent();
  const of = (id: string): Known => {
    const found = known.get(id) ?? { attempts: 0, closed: new Set(), ended: new Map(), open: new Map() };
    known.set(id, found);
    return found;
  };

  for (const { first, table } of ledger.tables())
    for (let i = 0; i < table.numRows; i++) follow(rowAt(table, i), first + i);
  let rows: Pick<ReturnType<typeof ledgerRows>, "length" | "at"> | undefined;

  /** Take account of a row that is on the disk. */
  function follow(row: Row, number: number): void {
    const { id, attempt, event, endpoint, seed, prompt_tokens, completion_tokens, cost } = row;
    const used = { prompt_tokens, completion_tokens, cost };
    if (event === "note") {
      notes.set(id, JSON.parse(textOf(row.body)) as object);
      return;
    }
    const request = of(id);
    request.attempts = Math.max(request.attempts, attempt);
    if (request.closed.has(attempt)) return;
    if (event === "sent") {
      if (request.open.has(attempt)) return;
      request.open.set(attempt, { id, attempt, endpoint, seed, most: used });
      count(spent.maybe, used);
      return;
    }
    const before = request.open.get(attempt);
    if (before) {
      count(spent.maybe, before.most, -1);
      request.open.delete(attempt);
    }
    request.closed.add(attempt);
    request.ended.set(event, (request.ended.get(event) ?? 0) + 1);
    if (event === "complete") request.answer = number;
    if (!row.certain) count(spent.maybe, used);
    else {
      count(spent, used);
      if (event !== "complete") spent.requests--; // what was told, and is no answer
    }
  }

  /** Rows that wait for the disk: all that come while one write goes on are the next one. */
  let waiting: { row: Row; done: () => void; failed: (error: unknown) => void }[] = [];
  let [scheduled, flushed] = [false, Number.NEGATIVE_INFINITY];
  const write = (row: Row) =>
    new Promise<void>((done, failed) => {
      waiting.push({ row, done, failed });
      if (scheduled) return;
      scheduled = true;
      // where many come, each write takes more of them
      if (performance.now() - flushed > GROUP) setImmediate(flush);
      else setTimeout(flush, GROUP);
    });
  function flush(): void {
    scheduled = false;
    flushed = performance.now();
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    const first = ledger.rows;
    try {
      ledger.append(tableOfRows(batch.map(({ row }) => row)));
    } catch (error) {
      for (const { failed } of batch) failed(error);
      return;
    }
    for (const [i, { row, done }] of batch.entries()) {
      follow(row, first + i);
      done();
    }
  }

  const blank = { reason: null, status: null, stream: 0, certain: 0, body: null, latency: 0 };
  return {
    folder: place?.folder,
    damaged: "damaged" in ledger ? ledger.damaged : 0,
    answer(id) {
      const number = known.get(id)?.answer;
      if (number === undefined) return undefined;
      if (!rows || rows.length <= number) rows = place ? ledgerRows(place.folder, place.key) : (ledger as InMemory);
      const found = rows.at(number);
      return found && answeredOf(rowAt(found.table, found.index));
    },
    ended: (id, outcome) => known.get(id)?.ended.get(outcome) ?? 0,
    next: (id) => (known.get(id)?.attempts ?? 0) + 1,
    open: (id) => [...(known.get(id)?.open.values() ?? [])].at(-1),
    async sent(attempts) {
      await Promise.all(
        attempts.map(({ most, ...attempt }) => write({ ...attempt, ...blank, event: "sent", at: Date.now(), ...most })),
      );
    },
    async end({ most: _, ...attempt }, { outcome, reason, status, stream, body, used, certain, latency }) {
      await write({
        ...attempt,
        event: outcome,
        at: Date.now(),
        reason,
        status,
        stream: Number(stream),
        certain: Number(certain),
        body: body && packed(body),
        latency,
        ...used,
      });
    },
    async note(name, value) {
      const body = packed(Buffer.from(JSON.stringify(value)));
      const row = { id: name, attempt: 0, endpoint: "", seed: 0, prompt_tokens: 0, completion_tokens: 0, cost: null };
      await write({ ...row, ...blank, event: "note", at: Date.now(), body });
    },
    noted: <Value>(name: string) => notes.get(name) as Value | undefined,
    spent: () => ({ ...spent, maybe: { ...spent.maybe } }),
    async close() {
      flush();
      ledger.close();
    },
  };
}
