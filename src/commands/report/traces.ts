/** @file What a report shows of traces: how many were accepted, how long they are, and some of each kind. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { verdictOf } from "../../core/trace.ts";
import { readDataset } from "../../data/dataset-folder.ts";
import { readLedger } from "../../data/ledger.ts";
import { rowsWhere, type Table } from "../../data/tables.ts";
import { generatedTokens, rowsIn, type Trace } from "../../data/traces.ts";

/** What samples are shown of; what no rule judged is whole or truncated. */
export const KINDS = ["correct", "incorrect", "truncated", "whole"] as const;
export type Kind = (typeof KINDS)[number];

export type Shown = Pick<
  Trace,
  "prompt_id" | "sample" | "prompt" | "answer" | "completion" | "reason" | "extracted"
> & {
  tokens: number;
};

export type TraceFacts = {
  traces: number;
  accepted: number;
  verdicts: Record<string, number>;
  /** Over the traces in the order in which they are kept: the share that is accepted or has a verdict, and the mean length, of each part. */
  shares: { label: string; points: [trace: number, share: number][] }[];
  length: [trace: number, tokens: number][];
  /** How many have from `from` to `to` tokens. */
  lengths: { from: number; to: number; count: number; accepted: number }[];
  samples: Record<Kind, Shown[]>;
};

const SHOWN = 3;
const PARTS = 60;
const BARS = 16;

/** Nothing where the folder is not there, or is not whole. */
export function traceFacts(folder: string): TraceFacts | undefined {
  return existsSync(join(folder, "state.json")) ? factsOf(readDataset(folder)) : undefined;
}

/** Of what the student wrote last for its own training; nothing where it wrote nothing. `output` is the run's folder. */
export function rolloutFacts(output: string): TraceFacts | undefined {
  const place = join(output, "rollouts");
  const folders = existsSync(place) ? readdirSync(place).map((name) => join(place, name)) : [];
  const newest = folders.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
  let [last, tables]: [number, Table[]] = [0, []];
  for (const { table } of newest ? readLedger(newest) : []) {
    const steps = table.getChild("step");
    if (!steps || table.numRows === 0) continue;
    const step = Math.max(...steps);
    if (step > last) [last, tables] = [step, []];
    if (step === last) tables.push(rowsWhere(table, (row) => steps.get(row) === last));
  }
  return tables.length > 0 ? factsOf(tables.map((table) => ({ table }))) : undefined;
}

function factsOf(tables: Iterable<{ table: Table }>): TraceFacts {
  const [lengths, accepted, said]: [number[], boolean[], string[]] = [[], [], []];
  const samples: TraceFacts["samples"] = { correct: [], incorrect: [], truncated: [], whole: [] };
  for (const { table } of tables) {
    const names = ["verdict", "judge_verdict", "accepted", "finish_reason", "token_ids", "served"];
    const [given, judged, taken, ends, ids, served] = names.map((name) => table.getChild(name));
    for (let i = 0; i < table.numRows; i++) {
      const unjudged = ends!.get(i) === "length" ? "truncated" : "whole";
      const verdict: string = given ? verdictOf({ verdict: given.get(i), judge_verdict: judged?.get(i) }) : unjudged;
      said.push(verdict);
      accepted.push(taken?.get(i) ?? false);
      const tokens = generatedTokens({ token_ids: ids!.get(i) ?? [], served: served?.get(i) });
      lengths.push(tokens);
      const kind = ends!.get(i) === "length" ? "truncated" : KINDS.find((kind) => kind === verdict);
      if (!kind || samples[kind].length >= SHOWN) continue;
      const [row] = rowsIn<Trace>(table.slice(i, i + 1));
      if (samples[kind].some(({ prompt_id }) => prompt_id === row!.prompt_id)) continue;
      samples[kind].push({ ...row!, tokens });
    }
  }
  const size = Math.max(1, Math.ceil(lengths.length / PARTS));
  const parts = Array.from(
    { length: Math.floor(lengths.length / size) },
    (_, i) => [i * size, (i + 1) * size] as const,
  );
  const verdicts: Record<string, number> = {};
  for (const verdict of said) verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
  const share = (label: string, is: (trace: number) => boolean): TraceFacts["shares"][number] => ({
    label,
    points: parts.map(([from, to]) => [to, mean(lengths.slice(from, to).map((_, i) => Number(is(from + i))))]),
  });
  return {
    traces: lengths.length,
    accepted: accepted.filter(Boolean).length,
    verdicts,
    shares: [
      ...(said.every((verdict, trace) => (verdict === "correct") === accepted[trace])
        ? [] // the same line
        : [share("accepted", (trace) => accepted[trace]!)]),
      ...Object.keys(verdicts).map((verdict) => share(verdict, (trace) => said[trace] === verdict)),
    ],
    length: parts.map(([from, to]) => [to, mean(lengths.slice(from, to))]),
    lengths: histogram(lengths, accepted),
    samples,
  };
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);

function histogram(lengths: readonly number[], accepted: readonly boolean[]): TraceFacts["lengths"] {
  const longest = lengths.reduce((a, b) => Math.max(a, b), 1);
  const step = Math.ceil((longest + 1) / BARS);
  const bars = Array.from({ length: Math.ceil((longest + 1) / step) }, (_, i) => ({
    ...{ from: i * step, to: (i + 1) * step - 1 },
    ...{ count: 0, accepted: 0 },
  }));
  for (const [i, tokens] of lengths.entries()) {
    const bar = bars[Math.floor(tokens / step)]!;
    bar.count++;
    if (accepted[i]) bar.accepted++;
  }
  return bars.slice(bars.findIndex(({ count }) => count > 0));
}
