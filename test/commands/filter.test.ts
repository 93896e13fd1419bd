import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeDataset } from "../../src/data/dataset-folder.ts";
import { completionHash, type Decision, decisionsPlace, openDecisions } from "../../src/data/decisions.ts";
import { inTables, readTraces, type Trace, tracesTable } from "../../src/data/traces.ts";
import { distill } from "../support/cli.ts";
import { scratch } from "../support/students.ts";
import { trace } from "../support/traces.ts";

const STEPS = "we multiply seven apples by eight baskets then we add the nine pears that were in the cellar and so on ";
const TRACES: Trace[] = [
  trace("a", 1, { completion: `${STEPS}<answer>4</answer>` }),
  trace("a", 5, { completion: `${STEPS}<answer>4</answer>` }),
  trace("a", 3, { completion: `${STEPS}indeed <answer>4</answer>`, reward: 2 }),
  trace("a", 4, { completion: "Counting differently gives it at once. <answer>4</answer>", reward: 0.5 }),
  trace("b", 0, { verdict: "incorrect", rewards: { accuracy: 0, format: 1 } }),
  trace("b", 2),
  trace("c", 1, { verdict: "incorrect", rewards: { accuracy: null, format: 0 } }),
];

async function kept(...args: string[]): Promise<string[]> {
  const folder = scratch();
  await writeDataset(join(folder, "traces"), inTables(TRACES, tracesTable));
  const output = join(folder, "kept");
  const { code, err } = await distill("filter", join(folder, "traces"), "--output", output, ...args);
  assert.equal(code, 0, err);
  const rows = [...readTraces(output)];
  // a row that is kept is kept whole
  for (const row of rows)
    assert.deepEqual(
      row,
      TRACES.find(({ prompt_id, sample }) => prompt_id === row.prompt_id && sample === row.sample),
    );
  return rows.map(({ prompt_id, sample }) => `${prompt_id}${sample}`);
}

test("rows are kept by verdict and by their scores; a score that is unknown is not enough", async () => {
  assert.deepEqual(await kept("--verdict", "correct"), ["a1", "a5", "a3", "a4", "b2"]);
  assert.deepEqual(await kept("--verdict", "correct", "incorrect", "--at-least", "format=1", "reward=1"), [
    ...["a1", "a5", "a3", "b0", "b2"],
  ]);
  assert.deepEqual(await kept("--at-least", "accuracy=0"), ["a5", "a3", "a4", "b0", "b2"]);
});

test("rows that somebody dropped in review are left out, and edits that stay behind are told", async () => {
  const traces = join(scratch(), "traces");
  await writeDataset(traces, inTables(TRACES, tracesTable));
  const log = await openDecisions(decisionsPlace(traces), "Ada");
  const said = (i: number, change: Partial<Decision>): Decision => ({
    ...{
      prompt_id: TRACES[i]!.prompt_id,
      sample: TRACES[i]!.sample,
      reviewer: "Ada",
      tags: [],
      note: null,
      undoes: null,
    },
    ...{ completion_hash: completionHash(TRACES[i]!.completion), decision: null, edited: null },
    ...{ time: new Date(1_800_000_000_000 + i).toISOString(), ...change },
  });
  log.append([said(0, { decision: "drop" }), said(1, { edited: "4" }), said(3, { decision: "keep" })]);
  log.close();
  const output = join(traces, "../kept");
  const { code, out } = await distill("filter", traces, "--output", output, "--verdict", "correct", "--best", "1");
  assert.equal(code, 0);
  assert.deepEqual(
    [...readTraces(output)].map(({ prompt_id, sample }) => `${prompt_id}${sample}`),
    ["a3", "b2"],
  );
  assert.match(out, /1 dropped/);
  assert.match(out, /1 rows were edited in review, and are as they were before/);
});

test("prompts that are too easy or too hard go by the share of correct rows", async () => {
  assert.deepEqual(await kept("--pass-rate", "0.1..0.9"), ["b0", "b2"]);
});

test("of rows that are the same, or nearly, the first is kept", async () => {
  assert.deepEqual(await kept("--duplicates", "exact"), ["a1", "a3", "a4", "b0", "b2", "c1"]);
  assert.deepEqual(await kept("--duplicates", "near", "--similarity", "0.7"), ["a1", "a4", "b0", "b2", "c1"]);
});

test("the best rows of a prompt are the shortest, those with the highest reward, or those least alike", async () => {
  const best = (...args: string[]) => kept("--verdict", "correct", "--best", ...args);
  assert.deepEqual(await best("1"), ["a1", "b2"]);
  assert.deepEqual(await best("1", "--prefer", "highest_reward"), ["a3", "b2"]);
  assert.deepEqual(await best("2", "--prefer", "diverse"), ["a1", "a4", "b2"]);
});

test("prompts that hold a question of an evaluation set are left out, and a report says which and where", async () => {
  const folder = scratch();
  const question =
    "A baker sells 48 rye loaves on Monday and 24 wheat loaves on Tuesday. How many loaves does the baker sell on both days?";
  const rows = [
    { prompt: "How many legs have 7 spiders?", answer: "56" },
    { prompt: `Think well. ${question}`, answer: "72" },
    { prompt: "A train carries 120 tons of coal in 15 wagons. How much is that a wagon?", answer: "8" },
  ];
  const dataset = join(folder, "train.jsonl");
  writeFileSync(dataset, rows.map((row) => JSON.stringify(row)).join("\n"));
  writeFileSync(join(folder, "test.jsonl"), JSON.stringify({ id: "t1", question }));
  const output = join(folder, "kept");
  const against = join(folder, "test.jsonl");
  const { out, err } = await distill("filter", dataset, "--output", output, "--against", against);
  assert.match(out, /^2 of 3 rows kept; left out: 1 contaminated\n/, err);
  const report = JSON.parse(readFileSync(join(output, "contamination.jsonl"), "utf8"));
  assert.deepEqual([report.row, report.source, report.id], [2, "test.jsonl", "t1"]);
  assert.equal(report.span, rows[1]!.prompt.slice(report.start, report.end));
  assert.match(report.span, /^baker sells 48 rye/);
});

test("options and columns that do not fit are refused with a sentence, and nothing is written", async () => {
  const folder = scratch();
  const dataset = join(folder, "rows.jsonl");
  writeFileSync(dataset, '{"completion": "a", "rewards": {"format": 1}}\n');
  const output = join(folder, "kept");
  const refused = async (sentence: RegExp, ...args: string[]) => {
    const { code, err } = await distill("filter", dataset, "--output", output, ...args);
    assert.equal(code, 1);
    assert.match(err, sentence);
    assert.ok(!existsSync(output));
  };
  await refused(/^Error: --verdict: /, "--verdict", "right");
  await refused(/^Error: --pass-rate: /, "--pass-rate", "0.5");
  await refused(/^Error: --best: /, "--best", "few");
  await refused(/^Error: --at-least format: expected a reward and its least score/, "--at-least", "format");
  await refused(/has no column "verdict" .*distill score gives it one/, "--verdict", "correct");
  await refused(/has no scores of "accuracy"\. Expected one of: reward, format/, "--at-least", "accuracy=1");
  await refused(/Not one of the 1 rows .* is kept \(1 at_least\)/, "--at-least", "format=2");
});
