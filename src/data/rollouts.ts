/** @file What a student drew between steps of its training, as rows: the columns of traces, and those of a step. */

import type { Judgement } from "../core/trace.ts";
import { type DataType, Float64, Int32, Uint32, Utf8 } from "../formats/apache-arrow.ts";
import { column, FLOATS, INTEGERS } from "./columns.ts";
import { type Table, tableOf } from "./tables.ts";
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
  max_completion_length: number;
  /** Updates that the weights had seen which drew it. */
  policy: number;
  /** How much better than expected it was, the mean over its tokens. */
  advantage?: number;
  /** Of each token, by the reference. */
  reference_logprobs?: readonly number[];
  /** Of each token, by the backend that drew it, where that was not the trainer's own sampler; null where it does not say. */
  sampler_logprobs?: readonly (number | null)[];
  /** Before each token, what the value head expected. */
  values?: readonly number[];
  /** What rules say of it, where there are any. */
  judgement?: Judgement;
};

export function rolloutsTable(rows: readonly Rollout[]): Table {
  const judged = rows.flatMap(({ judgement }) => judgement ?? []);
  return tableOf({
    step: column(new Int32(), rows, "step"),
    prompt_id: column(new Utf8(), rows, "prompt_id"),
    sample: column(new Int32(), rows, "sample"),
    prompt: column(new Utf8(), rows, "prompt"),
    answer: column(new Utf8(), rows, "answer"),
    prompt_token_ids: column(INTEGERS, rows, "prompt_token_ids"),
    completion: column(new Utf8(), rows, "completion"),
    token_ids: column(INTEGERS, rows, "token_ids"),
    logprobs: column(FLOATS, rows, "logprobs"),
    finish_reason: column(new Utf8(), rows, "finish_reason"),
    seed: column(new Uint32(), rows, "seed"),
    temperature: column(new Float64(), rows, "temperature"),
    max_completion_length: column(new Int32(), rows, "max_completion_length"),
    policy: column(new Int32(), rows, "policy"),
    ...optional(rows, {
      advantage: new Float64(),
      reference_logprobs: FLOATS,
      sampler_logprobs: FLOATS,
      values: FLOATS,
    }),
    ...(judged.length > 0 ? judgedColumns(judged) : {}),
  });
}

/** Columns of what a run has of all of its rows, or of none. */
const optional = (rows: readonly Rollout[], types: Partial<Record<keyof Rollout, DataType>>) =>
  Object.fromEntries(
    Object.entries(types)
      .filter(([name]) => rows.every((row) => row[name as keyof Rollout] !== undefined))
      .map(([name, type]) => [name, column(type, rows, name as keyof Rollout)]),
  );

/** A row as it was kept. */
export function rolloutOf(row: Rollout & Partial<Judgement>): Rollout {
  const { rewards, reward, verdict, extracted, reason, version, accepted, ...others } = row;
  const { judge_verdict, judge_reason, judge_model, ...rollout } = others;
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
          ...(version ? { version } : {}),
          ...(judge_verdict === undefined
            ? {}
            : { judge_verdict, judge_reason: judge_reason!, judge_model: judge_model! }),
          accepted: accepted!,
        },
      };
}
