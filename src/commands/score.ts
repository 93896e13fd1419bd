/** @file distill score: judge the completions of a dataset again, without sampling. */

import { join } from "node:path";
import { DistillError, Stopped } from "../core/errors.ts";
import { isTaken, reservePlace } from "../core/files.ts";
import { startCount } from "../core/progress.ts";
import { PUBLISHED, publishedTests } from "../core/published.ts";
import { type JudgeColumns, type Judgement, VERDICTS, type Verdict, verdictOf } from "../core/trace.ts";
import { writeDataset } from "../data/dataset-folder.ts";
import { columnsOf, readTables, type Table, tableOf } from "../data/tables.ts";
import { JUDGE_COLUMNS, judgedColumns } from "../data/traces.ts";
import { type JudgedSpec, type Judges, openJudges, openRules } from "../judging/open.ts";
import { readRewards } from "../recipe/recipe.ts";
import { changesText, countChanges, type Side } from "../rewards/changes.ts";
import { requireConsent } from "../rewards/consent.ts";
import { judge, judgeGroup, type WeightedReward } from "../rewards/judge.ts";
import { openPool } from "../rewards/pool.ts";
import { mostFrequent } from "../rewards/reasons.ts";
import type { Sample } from "../rewards/reward.ts";
import { fileHashes } from "../store/hashes.ts";
import { acquireLock } from "../store/lock.ts";
import { contentOfTeacher } from "./stages/context.ts";
import { rulesFromHub } from "./stages/hub.ts";
import { tellJudges } from "./stages/rules.ts";

export type ScoreOptions = { rewards: string; against?: string; output?: string; allowModules?: boolean };

export async function score(dataset: string, options: ScoreOptions, signal: AbortSignal): Promise<void> {
  const { output } = options;
  if (output && isTaken(output))
    throw new DistillError(`${output} is there already. Give another --output, or remove it.`);
  const release = output === undefined ? undefined : reservePlace(output);
  try {
    await scoreInto(dataset, options, signal);
  } finally {
    release?.();
  }
}

async function scoreInto(
  dataset: string,
  { rewards: path, against, output, allowModules }: ScoreOptions,
  signal: AbortSignal,
): Promise<void> {
  const read = async (path: string) => {
    const found = await rulesFromHub(readRewards(path), signal);
    if (!found) throw new Stopped();
    requireConsent(found.recipe, allowModules);
    return { rules: found.recipe as JudgedSpec[], hub: found.hub };
  };
  const [own, other] = [await read(path), against === undefined ? undefined : await read(against)];
  const kept = await openKept(dataset, [own, ...(other ? [other] : [])], signal);
  const close = async () => {
    await Promise.all([judging?.close(), comparing?.close()]);
    await kept.close();
  };
  let [judging, comparing]: [Judge | undefined, Judge | undefined] = [undefined, undefined];
  try {
    judging = await openJudge(dataset, own.rules, kept.judges);
    comparing = other && (await openJudge(dataset, other.rules, kept.judges));
  } catch (error) {
    await close();
    throw error;
  }
  const counts: Record<string, number> = {};
  const changes = countChanges();
  const progress = startCount("score", "row");
  const start = performance.now();
  let [rows, accepted] = [0, 0];
  const failures = new Map<string, number>();

  async function* scored(judging: Judge): AsyncGenerator<Table> {
    const batches = ahead(readTables(dataset), judging, async (table) => {
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
        const { judge_verdict } = judgement;
        if (judge_verdict) judged[judge_verdict] = (judged[judge_verdict] ?? 0) + 1;
        if (judgement.verdict === "infra_error")
          failures.set(judgement.reason, (failures.get(judgement.reason) ?? 0) + 1);
        const earlier = before?.[i];
        if (earlier)
          changes.add(
            `Row ${rows + i + 1}${ids ? ` (${ids.get(i)})` : ""}`,
            samples[i]!.answer,
            { ...earlier, verdict: verdictOf(earlier) },
            { ...judgement, verdict: verdictOf(judgement) },
          );
      }
      rows += after.length;
      progress.update(rows);
      yield tableOf({ ...withoutJudge(columnsOf(table)), ...judgedColumns(after) });
    }
    if (rows > 0 && counts.infra_error === rows)
      throw new DistillError(
        `Not one of the ${rows} rows could be judged: ${mostFrequent(failures)}. Nothing was written.`,
      );
  }

  const judged: Record<string, number> = {};
  let spent: ReturnType<Judges["spent"]> = [];
  try {
    if (output) await writeDataset(output, scored(judging));
    else for await (const _ of scored(judging));
    spent = kept.judges.spent();
  } finally {
    await close();
    progress.end();
  }
  if (rows === 0) throw new DistillError(`${dataset} has no rows.`);
  const seconds = (performance.now() - start) / 1000;
  console.log(`${rows} rows in ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s; ${accepted} accepted`);
  for (const verdict of VERDICTS)
    if (counts[verdict])
      console.log(`  ${verdict.padEnd(12)} ${counts[verdict]} (${((100 * counts[verdict]) / rows).toFixed(1)} %)`);
  if (Object.keys(judged).length > 0)
    console.log(
      `  asked the judge: ${VERDICTS.flatMap((verdict) => (judged[verdict] ? `${judged[verdict]} ${verdict}` : [])).join(", ")}`,
    );
  tellJudges({ spent: () => spent });
  if (failures.size > 0) console.log(`  not judged: ${mostFrequent(failures)}`);
  const compared = VERDICTS.some((before) => VERDICTS.some((after) => changes.counts[before][after] > 0));
  if (compared) console.log(`\n${against ?? "The dataset's own verdicts"} → ${path}\n${changesText(changes)}`);
  if (output) console.log(`\nWritten to ${output}`);
}

/** Columns without those of an earlier judge: these rules may have none. */
const withoutJudge = <Columns extends object>(columns: Columns) =>
  Object.fromEntries(Object.entries(columns).filter(([name]) => !(JUDGE_COLUMNS as readonly string[]).includes(name)));

type Judge = {
  judge(samples: readonly Sample[], table: Table): Promise<Judgement[]>;
  width: number;
  /** Whether what is said of a table hangs on rows that come after it. */
  waits?(table: Table): boolean;
  close(): Promise<void>;
};

async function openJudge(dataset: string, specs: readonly JudgedSpec[], judges: Judges): Promise<Judge> {
  const rewards = await openRules(specs, judges); // what is wrong with them is said before anything is read
  if (rewards.some(({ ofGroup }) => ofGroup)) return openGroups(dataset, rewards);
  if (!rewards.some(({ judge }) => judge)) return openPool(specs);
  return {
    judge: (samples) => Promise.all(samples.map((sample) => judge(rewards, sample))),
    width: 2,
    close: async () => {},
  };
}

/** The judges of some rules. What they answer is kept beside the dataset, one process at a time. */
async function openKept(
  dataset: string,
  read: readonly { rules: readonly JudgedSpec[]; hub: ReadonlyMap<string, string> }[],
  signal: AbortSignal,
): Promise<{ judges: Judges; close(): Promise<void> }> {
  const place = `${dataset.replace(/[\\/]+$/, "")}.judge`;
  const asks = read.some(({ rules }) => rules.some(({ judge }) => judge));
  const lock = asks ? await acquireLock(join(place, ".lock"), place) : undefined;
  const hub = new Map(read.flatMap(({ hub }) => [...hub]));
  const folder = { hashes: fileHashes(join(place, ".hashes.json")) };
  const judges = openJudges({
    contentOf: (teacher) => contentOfTeacher({ hub, folder }, teacher),
    place: (key) => join(place, key),
    signal,
  });
  const close = async () => {
    try {
      await judges.close();
    } finally {
      lock?.release();
    }
  };
  return { judges, close };
}

/**
 * Rules that compare the samples of a prompt need all of them, wherever in the dataset they stand. A first reading counts them,
 * so that a prompt is judged and let go as soon as its last sample is there.
 */
async function openGroups(dataset: string, rewards: readonly WeightedReward[]): Promise<Judge> {
  const keysOf = (table: Table) => {
    const key = table.getChild("prompt_id") ?? table.getChild("prompt");
    return Array.from({ length: table.numRows }, (_, i) => String(key?.get(i) ?? ""));
  };
  const missing = new Map<string, number>();
  for await (const table of readTables(dataset))
    for (const key of keysOf(table)) missing.set(key, (missing.get(key) ?? 0) + 1);

  type Member = { sample: Sample; table: Table; give(judgement: Judgement): void };
  const groups = new Map<string, Member[]>();
  const unseen = new WeakMap<Table, number>(); // rows whose prompt has samples that were not read yet
  return {
    judge(samples, table) {
      unseen.set(table, samples.length);
      return Promise.all(
        keysOf(table).map((key, i) => {
          const left = missing.get(key)! - 1;
          missing.set(key, left);
          return new Promise<Judgement>((give, fail) => {
            const group = groups.get(key) ?? [];
            group.push({ sample: samples[i]!, table, give });
            groups.set(key, group);
            if (left > 0) return;
            groups.delete(key);
            for (const { table } of group) unseen.set(table, unseen.get(table)! - 1);
            const asked = group.map(({ sample }) => sample);
            judgeGroup(rewards, asked).then((judged) => {
              for (const [i, { give }] of group.entries()) give(judged[i]!);
            }, fail);
          });
        }),
      );
    },
    width: 2,
    waits: (table) => (unseen.get(table) ?? 0) > 0,
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
  const published = PUBLISHED.flatMap((name) => {
    const column = table.getChild(name);
    return column ? [[name, column] as const] : [];
  });
  if (!columns.completion)
    throw new DistillError(
      `${dataset} has the columns ${table.schema.fields.map(({ name }) => name).join(", ")}. Expected "completion" and, where there is a reference, "answer".`,
    );
  return Array.from({ length: table.numRows }, (_, i) => {
    const answer = columns.answer?.get(i) ?? publishedTests(plain(published, i));
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

/** Columns of one row as JSON would have them. */
const plain = (columns: readonly (readonly [string, { get(row: number): unknown }])[], row: number) =>
  JSON.parse(JSON.stringify(Object.fromEntries(columns.map(([name, column]) => [name, column.get(row)]))));

/** What an earlier judge said of these rows, where it is one of our verdicts. */
function verdictsIn(table: Table): ((Side & Partial<JudgeColumns>) | undefined)[] | undefined {
  const verdicts = table.getChild("verdict");
  if (!verdicts) return undefined;
  const [extracted, reason, judged] = ["extracted", "reason", "judge_verdict"].map((name) => table.getChild(name));
  return Array.from({ length: table.numRows }, (_, i) => {
    const verdict: Verdict = verdicts.get(i);
    if (!VERDICTS.includes(verdict)) return undefined;
    const judge_verdict: Verdict | null = judged?.get(i) ?? null;
    return { verdict, judge_verdict, extracted: extracted?.get(i) ?? null, reason: reason?.get(i) ?? null };
  });
}

/** What comes of each item, in order, with up to `width` under way, or as many as the first one waits for. */
async function* ahead<Item, Result>(
  items: AsyncIterable<Item>,
  { width, waits }: { width: number; waits?(item: Item): boolean },
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: { item: Item; result: Promise<Result> }[] = [];
  for await (const item of items) {
    const result = work(item);
    result.catch(() => {}); // it is told of when its turn comes
    running.push({ item, result });
    while (running.length >= width && !waits?.(running[0]!.item)) yield running.shift()!.result;
  }
  while (running.length > 0) yield running.shift()!.result;
}
