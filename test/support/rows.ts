/** @file Rows of datasets, all at once. */

import { type ReadingRow, type ReadOptions, readTrainingRows, type TrainingRow } from "../../src/data/rows.ts";

type Read = Exclude<ReadingRow, { dropped: true } | { stale: number }>;

/** What each row of a dataset is that nobody dropped, or why it cannot be used. */
export async function allRows(
  path: string | readonly string[],
  prefer?: "messages" | "prompt",
  options?: ReadOptions,
): Promise<Read[]> {
  const rows: Read[] = [];
  for await (const read of readTrainingRows(path, prefer, options))
    if (!("dropped" in read || "stale" in read)) rows.push(read);
  return rows;
}

/** The same where each can be used. */
export async function usableRows(...given: Parameters<typeof allRows>): Promise<TrainingRow[]> {
  return (await allRows(...given)).map((read) => {
    if ("fault" in read) throw new Error(read.fault);
    return read.row;
  });
}
