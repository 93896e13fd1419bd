/** @file What sampling will take, from the answers that are there, or from a few that are asked for that. */

import { join } from "node:path";
import { create } from "../../core/component.ts";
import { readLedger } from "../../data/ledger.ts";
import { generatedTokens } from "../../data/traces.ts";
import { describeForecast, forecast, type Measured, money } from "../../sampling/forecast.ts";
import { wantedOf } from "../../sampling/options.ts";
import { sample } from "../../sampling/sample.ts";
import * as teachers from "../../teachers/index.ts";
import { priceOf } from "../../teachers/priced.ts";
import type { Context } from "./context.ts";
import { openRulesOf } from "./rules.ts";
import { samplingOf } from "./sample.ts";

/** Ask for the first sample of `count` prompts from all over the list; they are kept, and the run does not ask for them again. */
export async function measureSampling(context: Context, count: number, signal: AbortSignal): Promise<void> {
  const { options, rules, prompts, ledger } = samplingOf(context);
  const all = prompts();
  const chosen = Array.from(
    { length: Math.min(count, all.length) },
    (_, i) => all[Math.floor((i * all.length) / count)]!,
  );
  const spec = context.recipe.teacher!;
  const teacher = await create(teachers, spec, "teacher");
  let opened: Awaited<ReturnType<typeof openRulesOf>> | undefined;
  try {
    opened = await openRulesOf(context, rules, signal);
    await sample({
      teacher,
      prompts: chosen,
      rewards: opened.rewards,
      options: { ...options, num_generations: 1 },
      ledger: ledger().place(),
      price: priceOf(spec, teacher.model),
      words: { title: "measure", accepted: "accepted" },
      signal,
    });
  } finally {
    await teacher.close();
    await opened?.close();
  }
}

/** What all of the sampling will take, as lines. */
export function foreseeSampling(context: Context): string[] {
  const { options, prompts, ledger } = samplingOf(context);
  const { num_generations, max_completion_length, budget } = options;
  const asked = prompts().length;
  const price = priceOf(context.recipe.teacher!);
  const lines = [
    `Sampling: ${asked} prompts, at most ${asked * num_generations} completions of at most ${max_completion_length} tokens.`,
  ];
  const measured = measuredIn(context, ledger());
  if (measured.answers > 0)
    lines.push(`Foreseen: ${describeForecast(forecast(asked, measured, wantedOf(prompts(), options), price), price)}.`);
  else
    lines.push(
      "Foreseen: nothing yet, since nothing was drawn. distill plan --measure 32 asks for a few answers, which the run then has.",
    );
  if (budget) {
    const { money: most, ...tokens } = budget;
    const limits = Object.entries(tokens).map(
      ([name, limit]) => `${limit!.toLocaleString("en-GB")} ${name.replace("_", " ")}`,
    );
    lines.push(
      `Budget: ${[...limits, ...(most === undefined ? [] : [money(most, price?.currency ?? "USD")])].join(", ")}.`,
    );
  }
  return lines;
}

type Kept = ReturnType<ReturnType<typeof samplingOf>["ledger"]>;

/** What the answers that are there were like. */
function measuredIn({ folder }: Context, { name, verdicts, key, judged }: Kept): Measured {
  const measured: Measured = { answers: 0, accepted: 0, prompt_tokens: 0, completion_tokens: 0 };
  for (const { table } of readLedger(join(folder.path, name), key)) {
    const [lists, served, read] = ["token_ids", "served", "prompt_tokens"].map((column) => table.getChild(column));
    for (let i = 0; i < table.numRows; i++) {
      measured.answers++;
      measured.prompt_tokens += read!.get(i);
      measured.completion_tokens += generatedTokens({ token_ids: lists!.get(i), served: served?.get(i) });
    }
  }
  for (const { table } of readLedger(join(folder.path, verdicts), judged))
    for (const accepted of table.getChild("accepted")!) if (accepted) measured.accepted++;
  return measured;
}
