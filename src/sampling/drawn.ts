/** @file What is asked for now, of all that was ever drawn under the same key. */

import type { Judgement } from "../core/trace.ts";
import { dataOf } from "../data/columns.ts";
import { columnsOf, rowsWhere, type Table, tableOf } from "../data/tables.ts";
import { type Draw, generatedTokens, judgedColumns, rowsIn, type Trace, type Verdicts } from "../data/traces.ts";
import { type GiveUp, isHopeless } from "./give-up.ts";
import type { TraceLedger } from "./ledger.ts";

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
