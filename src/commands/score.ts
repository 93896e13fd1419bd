/** @file distill score: judge the completions of a dataset again, without sampling. */

import { existsSync } from "node:fs";
import { DistillError } from "../core/errors.ts";
import { startCount } from "../core/progress.ts";
import { type Judgement, VERDICTS, type Verdict } from "../core/trace.ts";
import { writeDataset } from "../data/dataset-folder.ts";
import { columnsOf, readTables, type Table, tableOf } from "../data/tables.ts";
import { judgedColumns } from "../data/traces.ts";
import { readRewards } from "../recipe/recipe.ts";
import { changesText, countChanges, type Side } from "../rewards/changes.ts";
import { requireConsent } from "../rewards/consent.ts";
import { createRewards, type RewardSpec } from "../rewards/create.ts";
import { judgeGroup } from "../rewards/judge.ts";
import { openPool } from "../rewards/pool.ts";
import { mostFrequent } from "../rewards/reasons.ts";
import type { Sample } from "../rewards/reward.ts";

export type ScoreOptions = { rewards: string; against?: string; output?: string; allowModules?: boolean };

export async function score(
  dataset: string,
  { rewards: path, against, output, allowModules }: ScoreOptions,
  signal: AbortSignal,
): Promise<void> {
  if (output && existsSync(output))
    throw new DistillError(`${output} is there already. Give another --output, or remove it.`);
  const specs = readRewards(path);
  const others = against === undefined ? undefined : readRewards(against);
  requireConsent([...specs, ...(others ?? [])], allowModules);
  const judging = await openJudge(dataset, specs);
  const comparing = others && (await openJudge(dataset, others));
  const counts: Record<string, number> = {};
  const changes = countChanges();
  const progress = startCount("score", "row");
  const start = performance.now();
  let [rows, accepted] = [0, 0];
  const failures = new Map<string, number>();

  async function* scored(): AsyncGenerator<Table> {
    const batches = ahead(readTables(dataset), judging.width, async (table) => {
      const samples = samplesOf(dataset, table);
      const [after, before] = await Promise.all([
        judging.judge(samples, table),
        comparing ? comparing.judge(samples, table) : verdictsIn(table),
      ]);
      return { table, samples, after, before };
    });
    for await (const { table, samples, after, before } of batches) {
      if (signal.aborted) throw new DistillError("Stopped. Nothing was written.");
      const ids = table.getChild("prompt_id");
      for (const [i, judgement] of after.entries()) {
        counts[judgement.verdict] = (counts[judgement.verdict] ?? 0) + 1;
        if (judgement.accepted) accepted++;
        if (judgement.verdict === "infra_error")
          failures.set(judgement.reason, (failures.get(judgement.reason) ?? 0) + 1);
        const earlier = before?.[i];
        if (earlier)
          changes.add(`Row ${rows + i + 1}${ids ? ` (${ids.get(i)})` : ""}`, samples[i]!.answer, earlier, judgement);
      }
      rows += after.length;
      progress.update(rows);
      yield tableOf({ ...columnsOf(table), ...judgedColumns(after) });
    }
    if (rows > 0 && counts.infra_error === rows)
      throw new DistillError(
        `Not one of the ${rows} rows could be judged: ${mostFrequent(failures)}. Nothing was written.`,
      );
  }

  try {
    if (output) await writeDataset(output, scored());
    else for await (const _ of scored());
  } finally {
    await Promise.all([judging.close(), comparing?.close()]);
    progress.end();
  }
  if (rows === 0) throw new DistillError(`${dataset} has no rows.`);
  const seconds = (performance.now() - start) / 1000;
  console.log(`${rows} rows in ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s; ${accepted} accepted`);
  for (const verdict of VERDICTS)
    if (counts[verdict])
      console.log(`  ${verdict.padEnd(12)} ${counts[verdict]} (${((100 * counts[verdict]) / rows).toFixed(1)} %)`);
  if (failures.size > 0) console.log(`  not judged: ${mostFrequent(failures)}`);
  const compared = VERDICTS.some((before) => VERDICTS.some((after) => changes.counts[before][after] > 0));
  if (compared) console.log(`\n${against ?? "The dataset's own verdicts"} → ${path}\n${changesText(changes)}`);
  if (output) console.log(`\nWritten to ${output}`);
}

type Judge = {
  judge(samples: readonly Sample[], table: Table): Promise<Judgement[]>;
  width: number;
  close(): Promise<void>;
};

async function openJudge(dataset: string, specs: readonly RewardSpec[]): Promise<Judge> {
  const rewards = await createRewards(specs); // what is wrong with them is said before anything is read
  if (!rewards.some(({ ofGroup }) => ofGroup)) return openPool(specs);
  // rules that compare the samples of a prompt need all of them, wherever in the dataset they stand
  const groups = new Map<string, { sample: Sample; row: number }[]>();
  let rows = 0;
  for await (const table of readTables(dataset)) {
    const ids = table.getChild("prompt_id");
    for (const [i, sample] of samplesOf(dataset, table).entries()) {
      const key: string = ids ? String(ids.get(i)) : sample.prompt;
      const group = groups.get(key);
      if (group) group.push({ sample, row: rows + i });
      else groups.set(key, [{ sample, row: rows + i }]);
    }
    rows += table.numRows;
  }
  const judgements: Judgement[] = [];
  for (const group of groups.values()) {
    const given = await judgeGroup(
      rewards,
      group.map(({ sample }) => sample),
    );
    for (const [i, { row }] of group.entries()) judgements[row] = given[i]!;
  }
  let next = 0;
  return {
    judge: async (samples) => {
      next += samples.length;
      return judgements.slice(next - samples.length, next);
    },
    width: 1,
    close: async () => {},
  };
}

/** The rows of a table as rules see them. */
function samplesOf(dataset: string, table: Table): Sample[] {
  const columns = Object.fromEntries(
    ["prompt", "completion", "answer", "finish_reason", "error", "num_tokens", "token_ids"].map((name) => [
      name,
      table.getChild(name) ?? undefined,
    ]),
  );
  if (!columns.completion)
    throw new DistillError(
      `${dataset} has the columns ${table.schema.fields.map(({ name }) => name).join(", ")}. Expected "completion" and, where there is a reference, "answer".`,
    );
  return Array.from({ length: table.numRows }, (_, i) => {
    const answer = columns.answer?.get(i) ?? undefined;
    const finish_reason = columns.finish_reason?.get(i);
    const error = columns.error?.get(i) ?? undefined;
    const num_tokens = columns.num_tokens?.get(i) ?? columns.token_ids?.get(i)?.length;
    return {
      prompt: String(columns.prompt?.get(i) ?? ""),
      completion: String(columns.completion!.get(i) ?? ""),
      ...(answer === undefined ? {} : { answer: String(answer) }),
      ...(finish_reason === "stop" || finish_reason === "length" ? { finish_reason } : {}),
      ...(finish_reason === "error" && error !== undefined ? { error: String(error) } : {}),
      ...(num_tokens === undefined ? {} : { num_tokens: Number(num_tokens) }),
    };
  });
}

/** What an earlier judge said of these rows, where it is one of our verdicts. */
function verdictsIn(table: Table): (Side | undefined)[] | undefined {
  const verdicts = table.getChild("verdict");
  if (!verdicts) return undefined;
  const [extracted, reason] = [table.getChild("extracted"), table.getChild("reason")];
  return Array.from({ length: table.numRows }, (_, i) => {
    const verdict: Verdict = verdicts.get(i);
    if (!VERDICTS.includes(verdict)) return undefined;
    return { verdict, extracted: extracted?.get(i) ?? null, reason: reason?.get(i) ?? null };
  });
}

/** What comes of each item, in order, with up to `width` under way. */
async function* ahead<Item, Result>(
  items: AsyncIterable<Item>,
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = [];
  for await (const item of items) {
    const result = work(item);
    result.catch(() => {}); // it is told of when its turn comes
    running.push(result);
    if (running.length >= width) yield running.shift()!;
  }
  while (running.length > 0) yield running.shift()!;
}
