/** @file The traces of a dataset in memory as Arrow has them, found by what is asked of them. */

import { setImmediate as turn } from "node:timers/promises";
import { z } from "zod";
import { DistillError, Stopped } from "../../core/errors.ts";
import { VERDICTS } from "../../core/trace.ts";
import { ANSWERS, answerColumn, answerOf, askedIn } from "../../data/answers.ts";
import { rowId } from "../../data/decided-rows.ts";
import type { Decision } from "../../data/decisions.ts";
import { plain } from "../../data/files/plain.ts";
import { readTables, type Table } from "../../data/tables.ts";
import { rowsIn, type Trace } from "../../data/traces.ts";
import { isEmpty } from "../../data/values.ts";

const whole = z.string().regex(/^\d+$/).transform(Number).optional();

/** What is looked for; everything unless given. */
export const Filter = z.object({
  verdict: z.enum(VERDICTS).optional(),
  accepted: z.enum(["yes", "no"]).optional(),
  /** A rule, and the score up to which or from which rows are shown. */
  rule: z.string().optional(),
  at_most: z.coerce.number().optional(),
  at_least: z.coerce.number().optional(),
  shortest: whole,
  longest: whole,
  /** Words in the prompt's name or text. */
  prompt: z.string().max(200).optional(),
  /** Between people, between people and rules, between rules, between the samples of a prompt. */
  disagreement: z.enum(["people", "rules", "scores", "samples"]).optional(),
  decided: z.enum(["no", "keep", "drop", "edited", "any"]).optional(),
});
export type Filter = z.output<typeof Filter>;

/** A trace of which only some may be known, as a dataset of somebody's has it. */
export type Row = Pick<Trace, "prompt_id" | "sample" | "completion"> & Partial<Trace>;

export type Rows = {
  length: number;
  /** The names of the rules. */
  rules: string[];
  /** The numbers of the rows that fit. */
  find(filter: Filter, decided: (row: number) => readonly Decision[] | undefined): Uint32Array;
  /** A line of a list. */
  line(row: number): {
    prompt_id: string;
    sample: number;
    verdict: string | null;
    accepted: boolean | null;
    tokens: number;
    text: string;
  };
  at(row: number): Row;
  id(row: number): { prompt_id: string; sample: number };
};

const EXCERPT = 160;

/** Read a run's traces, a folder of save_to_disk or files of rows with a completion (or response, output). */
export async function readRows(path: string, signal?: AbortSignal): Promise<Rows> {
  const tables: { first: number; table: Table }[] = [];
  let length = 0;
  for await (const table of readTables(path)) {
    await turn(); // a signal is heard between tables
    if (signal?.aborted) throw new Stopped();
    tables.push({ first: length, table });
    length += table.numRows;
  }
  if (length === 0) throw new DistillError(`${path} has no rows.`);
  const names = tables[0]!.table.schema.fields.map(({ name }) => name);
  const completion = answerColumn(names);
  if (completion === undefined)
    throw new DistillError(
      `${path} has the columns ${names.join(", ")}. Expected one that is named ${ANSWERS.join(", ")}, messages or conversations.`,
    );
  const question = ["prompt", "question", "problem", "instruction", "query"].find((name) => names.includes(name));

  const [ids, samples]: [string[], Int32Array] = [new Array(length), new Int32Array(length)];
  const [tokens, verdicts, accepted] = [
    new Uint32Array(length),
    new Array<string | null>(length),
    new Int8Array(length),
  ];
  const rules = ruleNames(tables[0]!.table);
  const scores = rules.map(() => new Float64Array(length).fill(Number.NaN));
  const ofPrompt = new Map<string, number>(); // whether some sample is right (1) and some is wrong (2)
  for (const { first, table } of tables) {
    await turn();
    if (signal?.aborted) throw new Stopped();
    const column = (name: string) => table.getChild(name);
    const [id, sample, lists, verdict, taken] = ["prompt_id", "sample", "token_ids", "verdict", "accepted"].map(column);
    const [served, text, given] = [column("served"), column(completion)!, column("rewards")];
    const offsets = lists?.data.length === 1 && !lists.nullCount ? lists.data[0]!.valueOffsets : undefined;
    const of = given ? rules.map((_, k) => given.getChildAt<never>(k)) : [];
    for (let i = 0; i < table.numRows; i++) {
      const row = first + i;
      const own = rowId({ prompt_id: id?.get(i), sample: sample?.get(i) }, row + 1);
      ids[row] = own.prompt_id;
      samples[row] = own.sample;
      const generated = offsets ? Number(offsets[i + 1]! - offsets[i]!) : lists ? (lists.get(i)?.length ?? 0) : 0;
      tokens[row] =
        generated || (served?.get(i)?.completion_tokens ?? Math.ceil(answerOf(plain(text.get(i))).length / 4));
      verdicts[row] = verdict ? verdict.get(i) : null;
      const yes = taken?.get(i);
      accepted[row] = yes === true ? 1 : yes === false ? 0 : -1;
      for (const [k, vector] of of.entries()) {
        const score: number | null | undefined = vector?.get(i);
        if (score !== null && score !== undefined) scores[k]![row] = score;
      }
      if (verdicts[row] === "correct") ofPrompt.set(ids[row]!, (ofPrompt.get(ids[row]!) ?? 0) | 1);
      if (verdicts[row] === "incorrect") ofPrompt.set(ids[row]!, (ofPrompt.get(ids[row]!) ?? 0) | 2);
    }
  }

  const place = (row: number) => {
    let [low, high] = [0, tables.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (tables[middle]!.first <= row) low = middle;
      else high = middle - 1;
    }
    return { table: tables[low]!.table, index: row - tables[low]!.first };
  };
  const valueAt = (row: number, name: string): unknown => {
    const { table, index } = place(row);
    return plain(table.getChild(name)?.get(index));
  };
  const answerAt = (row: number) => answerOf(valueAt(row, completion));
  const questionAt = (row: number) =>
    question === undefined ? askedIn(valueAt(row, completion)) : answerOf(valueAt(row, question));

  function disagrees(
    row: number,
    kind: NonNullable<Filter["disagreement"]>,
    decided: readonly Decision[] = [],
  ): boolean {
    const said = new Set(decided.flatMap(({ decision }) => decision ?? []));
    if (kind === "people") return said.size > 1 || new Set(decided.flatMap(({ edited }) => edited ?? [])).size > 1;
    if (kind === "rules") return said.has(accepted[row] === 1 ? "drop" : "keep") && accepted[row] !== -1;
    if (kind === "samples") return ofPrompt.get(ids[row]!) === 3;
    const known = scores.map((of) => of[row]!).filter((score) => !Number.isNaN(score));
    return known.some((score) => score <= 0) && known.some((score) => score > 0);
  }

  return {
    length,
    rules,
    find(filter, decided) {
      const rule = filter.rule === undefined ? undefined : scores[rules.indexOf(filter.rule)];
      const words = filter.prompt?.toLowerCase();
      const found = new Uint32Array(length);
      let n = 0;
      for (let row = 0; row < length; row++) {
        if (filter.verdict !== undefined && verdicts[row] !== filter.verdict) continue;
        if (filter.accepted !== undefined && accepted[row] !== (filter.accepted === "yes" ? 1 : 0)) continue;
        if (filter.shortest !== undefined && tokens[row]! < filter.shortest) continue;
        if (filter.longest !== undefined && tokens[row]! > filter.longest) continue;
        if (rule && (filter.at_most !== undefined || filter.at_least !== undefined)) {
          const score = rule[row]!;
          if (Number.isNaN(score) || score > (filter.at_most ?? score) || score < (filter.at_least ?? score)) continue;
        }
        if (filter.decided !== undefined) {
          const of = decided(row) ?? [];
          const last = of.findLast(({ decision }) => decision !== null)?.decision ?? null;
          if (filter.decided === "no" && of.length > 0) continue;
          if (filter.decided === "any" && of.length === 0) continue;
          if (filter.decided === "edited" && !of.some(({ edited }) => edited !== null)) continue;
          if ((filter.decided === "keep" || filter.decided === "drop") && last !== filter.decided) continue;
        }
        if (filter.disagreement !== undefined && !disagrees(row, filter.disagreement, decided(row))) continue;
        if (words && !ids[row]!.toLowerCase().includes(words) && !questionAt(row).toLowerCase().includes(words))
          continue;
        found[n++] = row;
      }
      return found.subarray(0, n);
    },
    line: (row) => ({
      prompt_id: ids[row]!,
      sample: samples[row]!,
      verdict: verdicts[row] ?? null,
      accepted: accepted[row] === -1 ? null : accepted[row] === 1,
      tokens: tokens[row]!,
      text: (questionAt(row) || answerAt(row)).slice(0, EXCERPT),
    }),
    at(row) {
      const { table, index } = place(row);
      const [found] = rowsIn<Record<string, unknown>>(table.slice(index, index + 1));
      const answer = completion === "answer" || isEmpty(found!.answer) ? null : String(found!.answer);
      const own = { prompt_id: ids[row]!, sample: samples[row]! };
      return { ...found, ...own, prompt: questionAt(row), completion: answerAt(row), answer };
    },
    id: (row) => ({ prompt_id: ids[row]!, sample: samples[row]! }),
  };
}

const ruleNames = (table: Table): string[] =>
  table.schema.fields
    .find(({ name }) => name === "rewards")
    ?.type.children?.map(({ name }: { name: string }) => name) ?? [];
