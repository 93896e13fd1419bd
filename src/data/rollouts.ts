/** @file What a student drew between steps of its training, as rows. */

import { Field, Float64, Int32, List, Uint32, Utf8 } from "apache-arrow";
import { dataOf, type Table, tableOf } from "./tables.ts";

/** What was drawn at a step, from 1. */
export type Rollout = {
  step: number;
  prompt_id: string;
  /** Which of the prompt's samples this is, from 0. */
  sample: number;
  prompt_token_ids: readonly number[];
  completion: string;
  token_ids: readonly number[];
  finish_reason: "stop" | "length";
  seed: number;
  temperature: number;
};

const INTEGERS = new List(new Field("item", new Int32(), true));

export function rolloutsTable(rows: readonly Rollout[]): Table {
  const text = (key: "prompt_id" | "completion" | "finish_reason") =>
    dataOf(
      rows.map((row) => row[key]),
      new Utf8(),
    );
  const whole = (key: "step" | "sample") =>
    dataOf(
      rows.map((row) => row[key]),
      new Int32(),
    );
  const tokens = (key: "prompt_token_ids" | "token_ids") =>
    dataOf(
      rows.map((row) => row[key]),
      INTEGERS,
    );
  return tableOf({
    step: whole("step"),
    prompt_id: text("prompt_id"),
    sample: whole("sample"),
    prompt_token_ids: tokens("prompt_token_ids"),
    completion: text("completion"),
    token_ids: tokens("token_ids"),
    finish_reason: text("finish_reason"),
    seed: dataOf(
      rows.map(({ seed }) => seed),
      new Uint32(),
    ),
    temperature: dataOf(
      rows.map(({ temperature }) => temperature),
      new Float64(),
    ),
  });
}
