/** @file What a student drew between steps of its training, as rows: the columns of traces, and those of a step. */

import type { Judgement } from "../core/trace.ts";
import { Field, Float32, Float64, Int32, List, Uint32, Utf8 } from "../formats/apache-arrow.ts";
import { dataOf, type Table, tableOf } from "./tables.ts";
import { judgedColumns } from "./traces.ts";

/** What was drawn for a step, from 1. */
export type Rollout = {
  step: number;
  prompt_id: string;
  /** Which of the prompt's samples this is, from 0. */
  sample: number;
  prompt: string;
  /** The reference, where there is one. */
  answer: string | null;
  prompt_token_ids: readonly number[];
  completion: string;
  token_ids: readonly number[];
  /** Of each token when it was drawn, at temperature 1. */
  logprobs: readonly number[];
  finish_reason: "stop" | "length";
  seed: number;
  temperature: number;
  /** What rules say of it, where there are any. */
  judgement?: Judgement;
};

const INTEGERS = new List(new Field("item", new Int32(), true));
const FLOATS = new List(new Field("item", new Float32(), true));

export function rolloutsTable(rows: readonly Rollout[]): Table {
  const column = (key: keyof Rollout, type: Parameters<typeof dataOf>[1]) =>
    dataOf(
      rows.map((row) => row[key]),
      type,
    );
  const judged = rows.flatMap(({ judgement }) => judgement ?? []);
  return tableOf({
    step: column("step", new Int32()),
    prompt_id: column("prompt_id", new Utf8()),
    sample: column("sample", new Int32()),
    prompt: column("prompt", new Utf8()),
    answer: column("answer", new Utf8()),
    prompt_token_ids: column("prompt_token_ids", INTEGERS),
    completion: column("completion", new Utf8()),
    token_ids: column("token_ids", INTEGERS),
    logprobs: column("logprobs", FLOATS),
    finish_reason: column("finish_reason", new Utf8()),
    seed: column("seed", new Uint32()),
    temperature: column("temperature", new Float64()),
    ...(judged.length > 0 ? judgedColumns(judged) : {}),
  });
}

/** A row as it was kept. */
export function rolloutOf(row: Rollout & Partial<Judgement>): Rollout {
  const { rewards, reward, verdict, extracted, reason, accepted, ...rollout } = row;
  return rewards === undefined
    ? rollout
    : {
        ...rollout,
        judgement: {
          rewards,
          reward: reward!,
          verdict: verdict!,
          extracted: extracted!,
          reason: reason!,
          accepted: accepted!,
        },
      };
}
