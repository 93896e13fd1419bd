/**
 * @file What was drawn under one key, and what rules say of it: two ledgers. Draws are never written again; verdicts lie
 * beside them under a key of their own, and name the draw by its number.
 */

import type { Judgement } from "../core/trace.ts";
import { dataOf } from "../data/columns.ts";
import { type Ledger, openLedger } from "../data/ledger.ts";
import { columnsOf, rowsWhere, type Table, tableOf } from "../data/tables.ts";
import {
  type Draw,
  drawsTable,
  generatedTokens,
  judgedColumns,
  rowsIn,
  type Trace,
  type Verdicts,
  verdictsTable,
} from "../data/traces.ts";
import { judge, type WeightedReward } from "../rewards/judge.ts";
import type { Sample } from "../rewards/reward.ts";
import { type GiveUp, isHopeless } from "./give-up.ts";

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
        pending.push({ row, answer, ...(await judge(rewards, sampleOf({ ...draw, answer }))) });
        onJudged?.(row + 1, draws.rows);
        if (pending.length >= PIECE) flush();
      }
    }
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

/** What is asked for now, of all that was ever drawn under the same key. */
export type Wanted = {
  /** Question and reference of each prompt. */
  prompts: ReadonlyMap<string, { prompt: string; answer: string | null }>;
  num_generations: number;
  max_accepted: number;
  give_up?: GiveUp | undefined;
};

/** Of each prompt the samples that are there, by their number, and whether they were accepted. */
export type Drawn = Map<string, Map<number, boolean>>;

/** What is there of what is asked for; `tokens` and `prompt_tokens` were generated and read for it. */
export function drawnIn(
  ledger: TraceLedger,
  { prompts, num_generations }: Wanted,
): { drawn: Drawn; tokens: number; prompt_tokens: number } {
  const drawn: Drawn = new Map();
  let [tokens, prompt_tokens] = [0, 0];
  for (const { draws, verdicts } of ledger.tables()) {
    const [ids, samples, texts, lists, served, read] = COUNTED.map((name) => draws.getChild(name));
    for (const [i, { accepted }] of verdicts.entries()) {
      const [id, sample]: [string, number] = [ids!.get(i), samples!.get(i)];
      if (prompts.get(id)?.prompt !== texts!.get(i) || sample >= num_generations || drawn.get(id)?.has(sample))
        continue;
      tokens += generatedTokens({ token_ids: lists!.get(i), served: served?.get(i) });
      prompt_tokens += read!.get(i);
      noteDrawn(drawn, id, sample, accepted);
    }
  }
  return { drawn, tokens, prompt_tokens };
}

const COUNTED = ["prompt_id", "sample", "prompt", "token_ids", "served", "prompt_tokens"];

export function noteDrawn(drawn: Drawn, id: string, sample: number, accepted: boolean): void {
  const ofPrompt = drawn.get(id) ?? new Map<number, boolean>();
  ofPrompt.set(sample, accepted);
  drawn.set(id, ofPrompt);
}

/**
 * The samples of a prompt that these settings ask for, of those that are there: with a limit of accepted ones, or where it
 * is given up, those that were drawn before that, whatever else other settings drew.
 */
export function countedSamples(
  ofPrompt: ReadonlyMap<number, boolean> | undefined,
  { num_generations, max_accepted, give_up }: Omit<Wanted, "prompts">,
) {
  const counted = new Set<number>();
  let accepted = 0;
  for (let sample = 0; sample < num_generations; sample++) {
    if (accepted >= max_accepted || isHopeless(give_up, accepted, counted.size)) break;
    const known = ofPrompt?.get(sample);
    if (known === undefined) continue;
    counted.add(sample);
    if (known) accepted++;
  }
  return { counted, accepted };
}

/** The traces that are asked for, with the references and verdicts of now, as tables. `judged` replaces verdicts by row. */
export function* tracesIn(ledger: TraceLedger, wanted: Wanted, judged?: (row: number) => Judgement): Generator<Table> {
  for (const { draws, verdicts } of wantedIn(ledger, wanted))
    yield tableOf({
      ...columnsOf(draws),
      ...judgedColumns(judged ? verdicts.map(({ row }) => judged(row)) : verdicts),
    });
}

/** The same as rows, with their numbers. */
export function* traceRows(ledger: TraceLedger, wanted: Wanted): Generator<Trace & { row: number }> {
  for (const { draws, verdicts } of wantedIn(ledger, wanted)) {
    let i = 0;
    for (const draw of rowsIn<Draw>(draws)) yield { ...draw, ...verdicts[i++]! };
  }
}

function* wantedIn(ledger: TraceLedger, wanted: Wanted): Generator<{ draws: Table; verdicts: Verdicts[] }> {
  const { drawn } = drawnIn(ledger, wanted);
  const counted = new Map([...drawn].map(([id, samples]) => [id, countedSamples(samples, wanted).counted]));
  for (const { draws, verdicts } of ledger.tables()) {
    const [ids, samples, texts] = ["prompt_id", "sample", "prompt"].map((name) => draws.getChild(name)!);
    const keep = verdicts.map(
      (_, i) =>
        wanted.prompts.get(ids!.get(i))?.prompt === texts!.get(i) && counted.get(ids!.get(i))!.delete(samples!.get(i)), // each once
    );
    const kept = rowsWhere(draws, (i) => keep[i]!);
    if (kept.numRows === 0) continue;
    const columns = columnsOf(kept);
    const answers = [...kept.getChild("prompt_id")!].map((id: string) => wanted.prompts.get(id)!.answer);
    yield {
      draws: tableOf({ ...columns, answer: dataOf(answers, columns.answer!.type) }),
      verdicts: verdicts.filter((_, i) => keep[i]),
    };
  }
}
