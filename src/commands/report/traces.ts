/** @file What a report shows of traces: how many were accepted, how long they are, and some of each kind. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { verdictOf } from "../../core/trace.ts";
import { readDataset } from "../../data/dataset-folder.ts";
import { generatedTokens, rowsIn, type Trace } from "../../data/traces.ts";

/** What samples are shown of. */
export const KINDS = ["correct", "incorrect", "truncated"] as const;
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
  /** Over the traces in the order in which they are kept: the share that is accepted, and the mean length, of each part. */
  acceptance: [trace: number, share: number][];
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
  if (!existsSync(join(folder, "state.json"))) return undefined;
  const [lengths, accepted]: [number[], boolean[]] = [[], []];
  const verdicts: Record<string, number> = {};
  const samples: TraceFacts["samples"] = { correct: [], incorrect: [], truncated: [] };
  for (const { table } of readDataset(folder)) {
    const names = ["verdict", "judge_verdict", "accepted", "finish_reason", "token_ids", "served"];
    const [given, judged, taken, ends, ids, served] = names.map((name) => table.getChild(name));
    for (let i = 0; i < table.numRows; i++) {
      const verdict = verdictOf({ verdict: given!.get(i), judge_verdict: judged?.get(i) });
      verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
      accepted.push(taken!.get(i));
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
  return {
    traces: lengths.length,
    accepted: accepted.filter(Boolean).length,
    verdicts,
    acceptance: parts.map(([from, to]) => [to, mean(accepted.slice(from, to).map(Number))]),
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
