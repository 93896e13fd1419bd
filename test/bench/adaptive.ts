/**
 * @file npm run bench:adaptive: tokens of the quickstart's teacher for each prompt that is solved, with a fixed number of
 * samples and with adaptive sampling, on the same prompts with the same seeds; a table over three seeds.
 * Options: --prompts N (300), --write (into test/bench/results).
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { markdownTable } from "../../src/core/table.ts";
import { readPrompts } from "../../src/data/prompts.ts";
import { createRewards } from "../../src/rewards/create.ts";
import { drawnIn, traceRows } from "../../src/sampling/drawn.ts";
import { openTraceLedger } from "../../src/sampling/ledger.ts";
import { answersOf, SamplerOptions, wantedOf } from "../../src/sampling/options.ts";
import { sample } from "../../src/sampling/sample.ts";
import { llama_cpp } from "../../src/teachers/llama_cpp.ts";

const { values: options } = parseArgs({
  options: { prompts: { type: "string", default: "300" }, write: { type: "boolean", default: false } },
});
const prompts = await readPrompts({ path: "data/stories/train.jsonl", limit: Number(options.prompts) }, "train");
const rewards = await createRewards([
  { type: "accuracy", weight: 1 },
  { type: "format", weight: 1, at_least: 1 },
] as never);
const teacher = await llama_cpp.create(
  llama_cpp.options.parse({
    path: "data/models/stories-teacher-q8_0.gguf",
    sequences: 64,
    context_size: 512,
    gpu: false,
  }),
);
/** Hot enough that not every prompt is solved at once. */
const drawing = { temperature: 1.5, top_p: 1, max_completion_length: 320 };
const ways: Record<string, object> = {
  "fixed, 8 samples": { num_generations: 8 },
  "until one is accepted": { num_generations: 8, max_accepted: 1 },
  "and given up": { num_generations: 8, max_accepted: 1, give_up: { after: 4, below: 0.6 } },
};
const rows: string[][] = [];
const ratios: number[] = [];
for (const seed of [1, 2, 3]) {
  let fixed: { solved: number; tokens: number } | undefined;
  for (const [way, limits] of Object.entries(ways)) {
    const folder = mkdtempSync(join(tmpdir(), "bench-adaptive-"));
    const place = {
      draws: { folder: join(folder, "draws"), key: "k" },
      verdicts: { folder: join(folder, "verdicts"), key: "v" },
      discard: () => {},
    };
    const settings = SamplerOptions.parse({ ...drawing, ...limits, seed });
    const { drawn, accepted, tokens } = await sample({ teacher, prompts, rewards, options: settings, ledger: place });
    const wanted = wantedOf(prompts, settings);
    const ledger = (await openTraceLedger(place, rewards, answersOf(wanted)))!;
    const solved = new Set([...traceRows(ledger, wanted)].filter((row) => row.accepted).map((row) => row.prompt_id))
      .size;
    if (drawnIn(ledger, wanted).tokens !== tokens) throw new Error("The ledger counts other tokens.");
    ledger.close();
    rmSync(folder, { recursive: true, force: true });
    fixed ??= { solved, tokens };
    const ratio = tokens / solved / (fixed.tokens / fixed.solved);
    if (way === "until one is accepted") ratios.push(ratio);
    rows.push([
      ...[String(seed), way, String(drawn), String(accepted), String(solved), String(tokens)],
      ...[(tokens / solved).toFixed(0), ratio.toFixed(3)],
    ]);
    console.log(rows.at(-1)!.join(" · "));
  }
}
await teacher.close();
const table = markdownTable(
  ["seed", "sampling", "drawn", "accepted", "prompts solved", "teacher tokens", "tokens a solved prompt", "of fixed"],
  rows,
);
console.log(
  `\n${table}\n\n${ratios.map((ratio) => ratio.toFixed(3)).join(", ")} of the tokens for the same prompts solved.`,
);
if (options.write)
  writeFileSync(
    `test/bench/results/adaptive-${new Date().toISOString().slice(0, 10)}.md`,
    `# Adaptive sampling\n\n\`npm run bench:adaptive\`, ${prompts.length} prompts of the stories at temperature ${drawing.temperature}, ${cpus()[0]!.model}. "Of fixed" compares teacher tokens for each prompt that was solved.\n\n${table}\n`,
  );
