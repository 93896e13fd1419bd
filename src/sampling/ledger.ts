/**
 * @file What was drawn under one key, and what rules say of it: two ledgers. Draws are never written again; verdicts lie
 * beside them under a key of their own, and name the draw by its number.
 */

import { type Ledger, openLedger } from "../data/ledger.ts";
import type { Table } from "../data/tables.ts";
import { type Draw, drawsTable, generatedTokens, rowsIn, type Verdicts, verdictsTable } from "../data/traces.ts";
import { judge, type WeightedReward } from "../rewards/judge.ts";
import type { Sample } from "../rewards/reward.ts";
import { inOrder } from "./in-order.ts";

export type TraceLedger = {
  /** Keep what was drawn; the number of the first of them. When this returns it is on the disk. */
  draw(draws: readonly Draw[]): number;
  /** Keep what the rules say of draws that were kept, in their order. */
  judge(verdicts: readonly Verdicts[]): void;
  /** The draws with their verdicts, piece by piece. All of them have one. */
  tables(): Generator<{ draws: Table; verdicts: Verdicts[] }>;
  close(): void;
};

export type LedgerPlace = {
  /** Folders of the two ledgers, and what their rows hang on. */
  draws: { folder: string; key: string };
  verdicts: { folder: string; key: string };
  /** Where a teacher that is paid for keeps what it asks and what comes. */
  journal?: { folder: string; key: string };
  /** Remove a ledger of verdicts that does not fit the draws: they can be made again. */
  discard: (folder: string) => void;
  told?: (sentence: string) => void;
};

/** The reference of a draw as it is known now; undefined where its question is not asked any more. */
export type Answers = (draw: { prompt_id: string; prompt: string }) => string | null | undefined;

/** Open both ledgers, and judge draws that have no verdict by these rules. Undefined where `signal` stopped that. */
export async function openTraceLedger(
  place: LedgerPlace,
  rewards: readonly WeightedReward[],
  answers: Answers,
  options: { signal?: AbortSignal; onJudged?: (done: number, all: number) => void } = {},
): Promise<TraceLedger | undefined> {
  const told = place.told ?? console.error;
  const draws = openLedger(place.draws.folder, { key: place.draws.key, told });
  let verdicts = openVerdicts();
  const fault = faultIn(draws, verdicts, answers);
  if (fault !== undefined || verdicts.damaged > 0) {
    verdicts.close();
    if (fault) told(`${place.verdicts.folder} ${fault}; all traces are judged again.`);
    place.discard(place.verdicts.folder);
    verdicts = openVerdicts();
  }
  const ledger: TraceLedger = {
    draw(rows) {
      const first = draws.rows;
      draws.append(drawsTable(rows));
      return first;
    },
    judge: (rows) => verdicts.append(verdictsTable(rows)),
    tables: () => joined(draws, verdicts),
    close() {
      draws.close();
      verdicts.close();
    },
  };
  try {
    const finished = await judgeMissing(draws, verdicts, rewards, answers, ledger.judge, options);
    if (finished) return ledger;
  } catch (error) {
    ledger.close();
    throw error;
  }
  ledger.close();
  return undefined;

  function openVerdicts(): Ledger {
    const { folder, key } = place.verdicts;
    return openLedger(folder, { key, told });
  }
}

/** Why verdicts do not fit the draws; nothing to say ("") where references have changed. */
function faultIn(draws: Ledger, verdicts: Ledger, answers: Answers): string | undefined {
  const given = walk(verdicts);
  for (const { first, table } of draws.tables()) {
    const [ids, prompts] = [table.getChild("prompt_id")!, table.getChild("prompt")!];
    for (let i = 0; i < table.numRows; i++) {
      let verdict = given.peek();
      while (verdict && verdict.row < first + i) {
        given.next(); // of a draw that is damaged
        verdict = given.peek();
      }
      if (!verdict) continue;
      if (verdict.row !== first + i) return "has no verdict of some traces";
      const answer = answers({ prompt_id: ids.get(i), prompt: prompts.get(i) });
      if (answer !== undefined && answer !== verdict.answer) return "";
      given.next();
    }
  }
  return given.peek() ? "has verdicts of traces that are not there" : undefined;
}

/** The verdicts of a ledger one after the other, with a look at the next. */
function walk(verdicts: Ledger): { peek(): Verdicts | undefined; next(): void } {
  const all = (function* () {
    for (const { table } of verdicts.tables()) yield* rowsIn<Verdicts>(table);
  })();
  let at = all.next();
  return {
    peek: () => (at.done ? undefined : at.value),
    next: () => {
      at = all.next();
    },
  };
}

const PIECE = 64;
/** Traces that are judged at once, by rules that have processes of their own. */
const AT_ONCE = 16;

async function judgeMissing(
  draws: Ledger,
  verdicts: Ledger,
  rewards: readonly WeightedReward[],
  answers: Answers,
  keep: (rows: readonly Verdicts[]) => void,
  { signal, onJudged }: { signal?: AbortSignal; onJudged?: (done: number, all: number) => void },
): Promise<boolean> {
  let last = -1;
  for (const { table } of verdicts.tables()) last = table.getChild("row")!.get(table.numRows - 1);
  let pending: Verdicts[] = [];
  const flush = () => {
    if (pending.length > 0) keep(pending);
    pending = [];
  };
  const atOnce = Math.max(AT_ONCE, ...rewards.map(({ judge }) => judge?.width ?? 0));
  const judging = inOrder<Verdicts>((verdict) => {
    pending.push(verdict);
    onJudged?.(verdict.row + 1, draws.rows);
    if (pending.length >= PIECE) flush();
  });
  try {
    for (const { first, table } of draws.tables()) {
      if (first + table.numRows <= last + 1) continue;
      let i = 0;
      for (const draw of rowsIn<Draw>(table)) {
        const row = first + i++;
        if (row <= last) continue;
        if (signal?.aborted) return false;
        const known = answers(draw);
        const answer = known === undefined ? draw.answer : known;
        judging.add(judge(rewards, sampleOf({ ...draw, answer })).then((judged) => ({ row, answer, ...judged })));
        await judging.until(atOnce);
      }
    }
    await judging.until(0);
    return true;
  } finally {
    flush();
  }
}

/** A draw as rules see it. */
export const sampleOf = ({
  prompt,
  completion,
  answer,
  finish_reason,
  error,
  ...tokens
}: Pick<Draw, "prompt" | "completion" | "answer" | "finish_reason" | "token_ids" | "served"> & {
  error?: string | null;
}): Sample => ({
  prompt,
  completion,
  finish_reason,
  num_tokens: generatedTokens(tokens),
  ...(answer === null ? {} : { answer }),
  ...(error === null || error === undefined ? {} : { error }),
});

function* joined(draws: Ledger, verdicts: Ledger): Generator<{ draws: Table; verdicts: Verdicts[] }> {
  const given = walk(verdicts);
  for (const { first, table } of draws.tables()) {
    const rows: Verdicts[] = [];
    for (let i = 0; i < table.numRows; i++) {
      while ((given.peek()?.row ?? Number.POSITIVE_INFINITY) < first + i) given.next();
      const verdict = given.peek();
      if (verdict?.row !== first + i) throw new Error(`Draw ${first + i} has no verdict.`);
      rows.push(verdict);
      given.next();
    }
    yield { draws: table, verdicts: rows };
  }
}
