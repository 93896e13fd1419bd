/** @file distill filter: the rows of a dataset that are worth training on. */

import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { isTaken, reservePlace, writeWhole } from "../core/files.ts";
import { startCount } from "../core/progress.ts";
import { verdictOf } from "../core/trace.ts";
import { writeDataset } from "../data/dataset-folder.ts";
import { decisionAbout } from "../data/decided-rows.ts";
import { decisionsPlace, readDecisions, standing } from "../data/decisions.ts";
import { type Contamination, contaminationSearch, DecontaminationOptions } from "../data/decontamination.ts";
import { FilterOptions, type FilterRow, filterRows, filterSignature, needsSignature } from "../data/filter.ts";
import { readTables, rowsWhere, type Table } from "../data/tables.ts";
import { rowsIn } from "../data/traces.ts";

/** As the command line gives them. */
export type FilterArguments = {
  output: string;
  verdict?: string[];
  atLeast?: string[];
  passRate?: string;
  duplicates?: string;
  similarity?: string;
  best?: string;
  prefer?: string;
  against?: string[];
  nGram?: string;
  overlap?: string;
};

export async function filter(dataset: string, given: FilterArguments, signal: AbortSignal): Promise<void> {
  const { output } = given;
  if (isTaken(output)) throw new DistillError(`${output} is there already. Give another --output, or remove it.`);
  const release = reservePlace(output);
  try {
    await filterInto(output, dataset, given, signal);
  } finally {
    release();
  }
}

async function filterInto(output: string, dataset: string, given: FilterArguments, signal: AbortSignal): Promise<void> {
  const { against = [] } = given;
  const options = optionsOf(given);
  const search = await searchFor(against, given);
  const rows: FilterRow[] = [];
  const found = new Map<number, Contamination>();
  const searched = new Map<string, Contamination | undefined>();
  const decided = standing(readDecisions(decisionsPlace(dataset)));
  let edited = 0;
  const progress = startCount("filter", "row");
  for await (const table of readTables(dataset)) {
    if (signal.aborted) throw new DistillError("Stopped. Nothing was written.");
    requireColumns(dataset, table, options, search !== undefined);
    const column = (name: string) => table.getChild(name);
    const [ids, prompts, completions] = [column("prompt_id"), column("prompt"), column("completion")];
    const [verdicts, scores, rewards, tokens] = [
      column("verdict"),
      column("rewards"),
      column("reward"),
      column("token_ids"),
    ];
    const judged = column("judge_verdict");
    const reviewed = decided.size > 0 ? [...rowsIn<Record<string, unknown>>(table)] : [];
    for (let i = 0; i < table.numRows; i++) {
      const said = decided.size > 0 ? decisionAbout(reviewed[i]!, rows.length + 1, decided) : undefined;
      if (said?.decision !== "drop" && typeof said?.edited === "string") edited++;
      const prompt = String(prompts?.get(i) ?? "");
      const completion = String(completions?.get(i) ?? "");
      if (search) {
        if (!searched.has(prompt)) searched.set(prompt, search(prompt));
        const match = searched.get(prompt);
        if (match) found.set(rows.length, match);
      }
      rows.push({
        prompt: String(ids?.get(i) ?? prompt),
        verdict: verdicts?.get(i) && verdictOf({ verdict: verdicts.get(i), judge_verdict: judged?.get(i) }),
        rewards: { ...scores?.get(i)?.toJSON(), reward: rewards?.get(i) ?? null },
        length: tokens?.get(i)?.length ?? completion.length,
        content: createHash("sha256").update(prompt).update("\0").update(completion).digest("base64"),
        dropped: said?.decision === "drop",
        signature: needsSignature(options) ? filterSignature(prompt, completion) : undefined,
      });
    }
    progress.update(rows.length);
  }
  progress.end();
  if (rows.length === 0) throw new DistillError(`${dataset} has no rows.`);
  const reasons = filterRows(rows, new Set(found.keys()), options);
  const kept = reasons.filter((reason) => reason === undefined).length;
  if (kept === 0)
    throw new DistillError(
      `Not one of the ${rows.length} rows of ${dataset} is kept (${left(reasons)}). Nothing was written.`,
    );
  await writeDataset(output, keptTables(dataset, reasons));
  console.log(`${kept} of ${rows.length} rows kept${kept < rows.length ? `; left out: ${left(reasons)}` : ""}`);
  if (search) {
    const report = join(output, "contamination.jsonl");
    const lines = [...found].map(
      ([row, match]) => `${JSON.stringify({ row: row + 1, prompt_id: rows[row]!.prompt, ...match })}\n`,
    );
    writeWhole(report, lines.join(""));
    console.log(`${found.size} rows hold a question of ${against.join(", ")}: ${report}`);
  }
  if (edited > 0)
    console.log(
      `${edited} rows were edited in review, and are as they were before: edits are made where ${dataset} itself is trained on.`,
    );
  console.log(`Written to ${output}`);
}

async function* keptTables(dataset: string, reasons: readonly (string | undefined)[]): AsyncGenerator<Table> {
  let before = 0;
  for await (const table of readTables(dataset)) {
    const start = before;
    const kept = rowsWhere(table, (row) => reasons[start + row] === undefined);
    before += table.numRows;
    if (kept.numRows > 0) yield kept;
  }
}

function left(reasons: readonly (string | undefined)[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, count]) => `${count} ${reason}`).join(", ");
}

async function searchFor(against: readonly string[], { nGram, overlap }: FilterArguments) {
  if (against.length === 0) return undefined;
  const options = checked(DecontaminationOptions, { n_gram: numberOf(nGram), overlap: numberOf(overlap) });
  const questions = [];
  for (const path of against)
    for await (const table of readTables(path)) {
      const texts = ["prompt", "question", "problem"].map((name) => table.getChild(name)).find((column) => column);
      if (!texts)
        throw new DistillError(
          `${path} has the columns ${table.schema.fields.map(({ name }) => name).join(", ")}. Expected "prompt", "question" or "problem".`,
        );
      const ids = table.getChild("id") ?? table.getChild("prompt_id");
      for (let i = 0; i < table.numRows; i++)
        questions.push({
          source: basename(path),
          id: String(ids?.get(i) ?? `row-${questions.length + 1}`),
          text: String(texts.get(i) ?? ""),
        });
    }
  return contaminationSearch(questions, options);
}

function requireColumns(dataset: string, table: Table, options: FilterOptions, searching: boolean): void {
  const { verdict, pass_rate, at_least, best, prefer } = options;
  const scored = Object.keys(at_least).filter((name) => name !== "reward");
  const needed = [
    ...(verdict || pass_rate ? ["verdict"] : []),
    ...("reward" in at_least || (best && prefer === "highest_reward") ? ["reward"] : []),
    ...(scored.length > 0 ? ["rewards"] : []),
    ...(searching ? ["prompt"] : []),
  ];
  const names = table.schema.fields.map(({ name }) => name);
  const missing = needed.find((name) => !names.includes(name));
  if (missing)
    throw new DistillError(
      `${dataset} has no column "${missing}" (it has ${names.join(", ")}).${missing === "prompt" ? "" : " distill score gives it one."}`,
    );
  const rewards = (table.getChild("rewards")?.type.children ?? []).map(({ name }: { name: string }) => name);
  const unknown = scored.find((name) => !rewards.includes(name));
  if (unknown)
    throw new DistillError(
      `${dataset} has no scores of "${unknown}". Expected one of: ${["reward", ...rewards].join(", ")}.`,
    );
}

function optionsOf(given: FilterArguments): FilterOptions {
  const at_least = Object.fromEntries(
    (given.atLeast ?? []).map((text) => {
      const [name = "", least = ""] = text.split("=");
      if (!name || least.trim() === "" || !Number.isFinite(Number(least)))
        throw new DistillError(`--at-least ${text}: expected a reward and its least score, such as format=1.`);
      return [name, Number(least)];
    }),
  );
  return checked(FilterOptions, {
    verdict: given.verdict,
    at_least,
    pass_rate: given.passRate?.split("..").map(numberOf),
    duplicates: given.duplicates,
    similarity: numberOf(given.similarity),
    best: numberOf(given.best),
    prefer: given.prefer,
  });
}

const numberOf = (text: string | undefined) =>
  text === undefined ? undefined : text.trim() === "" ? Number.NaN : Number(text);

type Schema<Out> = {
  safeParse(value: unknown): {
    success: boolean;
    data?: Out;
    error?: { issues: { path: PropertyKey[]; message: string }[] };
  };
};

function checked<Out>(schema: Schema<Out>, value: unknown): Out {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data!;
  const { path, message } = error!.issues[0]!;
  throw new DistillError(`--${String(path[0]).replaceAll("_", "-")}: ${message}.`);
}
