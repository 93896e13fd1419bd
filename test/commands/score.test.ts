import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeDataset } from "../../src/data/dataset-folder.ts";
import { readTables, type Table } from "../../src/data/tables.ts";
import { inTables, type Trace, tracesTable } from "../../src/data/traces.ts";
import { GRADER_VERSION } from "../../src/rewards/math/index.ts";
import { distill } from "../support/cli.ts";
import { scratch } from "../support/students.ts";
import { trace } from "../support/traces.ts";

function files(rows: readonly object[], rewards: string) {
  const folder = scratch();
  const dataset = join(folder, "rows.jsonl");
  writeFileSync(dataset, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  writeFileSync(join(folder, "rewards.yaml"), rewards);
  return { folder, dataset, rewards: join(folder, "rewards.yaml"), output: join(folder, "scored") };
}

async function rowsOf(path: string): Promise<Record<string, unknown>[]> {
  const tables: Table[] = [];
  for await (const table of readTables(path)) tables.push(table);
  return tables.flatMap((table) => JSON.parse(JSON.stringify(table.toArray())));
}

const ROWS = Array.from({ length: 3000 }, (_, i) => ({
  prompt_id: `p${i % 1500}`,
  prompt: `¿${i % 1500}?`,
  answer: i % 3 === 0 ? null : `${i}`,
  completion: `<think>${"so ".repeat(1 + (i % 7))}</think> \\boxed{${i % 2 === 0 ? i : i + 1}}`,
  tags: ["a", `b${i}`],
  num_tokens: 10 + (i % 7),
}));
const expected = (i: number) => (i % 3 === 0 ? "unknown" : i % 2 === 0 ? "correct" : "incorrect");

test("rows of JSON lines are judged on several threads and come back in their order with all their columns", async () => {
  const { dataset, rewards, output } = files(ROWS, "[{ type: accuracy }]");
  const { code, out, err } = await distill("score", dataset, "--rewards", rewards, "--output", output);
  assert.equal(code, 0, err);
  assert.match(out, /^3000 rows in [\d.]+ s, \d+ rows\/s; 1000 accepted\n {2}correct +1000 \(33\.3 %\)\n/);
  const rows = await rowsOf(output);
  assert.deepEqual(
    rows.map(({ verdict }) => verdict),
    ROWS.map((_, i) => expected(i)),
  );
  const { verdict, accepted, reward, extracted, reason, rule_version, rewards: scores, ...row } = rows[2]!;
  assert.deepEqual(row, ROWS[2]);
  assert.deepEqual([verdict, accepted, reward, extracted, scores], ["correct", true, 1, "2", { accuracy: 1 }]);
  assert.equal(rule_version, GRADER_VERSION);
  assert.match(String(reason), /^accuracy: /);
  const again = await distill("score", dataset, "--rewards", rewards, "--output", output);
  assert.equal(again.code, 1);
  assert.match(again.err, /is there already/);
});

test("what other rewards say differently is counted and shown", async () => {
  const rows = [
    { completion: "The answer is 4.", answer: "4" },
    { completion: "\\boxed{4}", answer: "4" },
    { completion: "\\boxed{5}", answer: "4" },
  ];
  const { folder, dataset, rewards } = files(rows, "[{ type: accuracy }]");
  writeFileSync(join(folder, "lenient.yaml"), "[{ type: accuracy, profile: lenient }]");
  const { out } = await distill("score", dataset, "--rewards", join(folder, "lenient.yaml"), "--against", rewards);
  assert.match(out, /1 verdicts changed:/);
  assert.match(out, /before \\ after +correct +incorrect\ncorrect +1 +0\nincorrect +1 +1\n/);
  assert.match(out, /Row 1: incorrect → correct; reference 4\n {2}before: none \(.*\)\n {2}after: {2}4 \(/);
});

test("traces of a run are compared with the verdicts that they have, and nothing else of them changes", async () => {
  const traces: Trace[] = [
    trace("a", 0),
    trace("a", 2, { completion: "<answer>5</answer>", token_ids: [1, 2] }),
    trace("b", 4, { verdict: "incorrect" }),
  ];
  const { folder, rewards, output } = files([], "[{ type: accuracy }, { type: format, weight: 2 }]");
  await writeDataset(join(folder, "run", "traces"), inTables(traces, tracesTable));
  const { out, err } = await distill("score", join(folder, "run"), "--rewards", rewards, "--output", output);
  assert.match(out, /2 verdicts changed:/, err);
  assert.match(out, /Row 2 \(a\): correct → incorrect/);
  const rows = await rowsOf(output);
  assert.deepEqual(
    rows.map(({ verdict, reward }) => [verdict, reward]),
    [
      ["correct", 3],
      ["incorrect", 0],
      ["correct", 3],
    ],
  );
  const drawn = (row: object) => ({ ...row, ...Object.fromEntries(JUDGED.map((name) => [name, 0])) });
  assert.deepEqual(rows.map(drawn), traces.map(drawn));
});
const JUDGED = ["rewards", "reward", "verdict", "extracted", "reason", "rule_version", "accepted"];

test("rules that compare the samples of a prompt see all of them, wherever they stand", async () => {
  const rows = [
    { prompt_id: "a", completion: "\\boxed{1}", answer: "1", num_tokens: 10 },
    { prompt_id: "b", completion: "\\boxed{1}", answer: "1", num_tokens: 10 },
    { prompt_id: "a", completion: "\\boxed{1}", answer: "1", num_tokens: 30 },
  ];
  const { dataset, rewards, output } = files(rows, "[{ type: accuracy }, { type: length, weight: 1 }]");
  await distill("score", dataset, "--rewards", rewards, "--output", output);
  assert.deepEqual(
    (await rowsOf(output)).map(({ reward }) => reward),
    [1.5, 1, 0.5],
  );
});

test("what cannot be judged is refused with a sentence, and nothing is written", async () => {
  const { folder, dataset, rewards, output } = files([{ text: "a" }], "[{ type: accuracy }]");
  const refused = async (path: string, sentence: RegExp) => {
    const { code, err } = await distill("score", path, "--rewards", rewards, "--output", output);
    assert.equal(code, 1);
    assert.match(err, sentence);
    assert.ok(!existsSync(output));
  };
  await refused(dataset, /^Error: .*rows\.jsonl has the columns text\. Expected "completion"/);
  await refused(join(folder, "none"), /^Error: Dataset not found/);
  for (const [name, bytes] of [
    ["x.arrow", "no arrow"],
    ["x.parquet", "PAR1 no parquet PAR1"],
    ["x.jsonl", '{"completion": 1}\n[]\n'],
  ] as const) {
    writeFileSync(join(folder, name), bytes);
    await refused(join(folder, name), /^Error: .*(Expected an object|not (an Arrow|a Parquet) file)/);
  }
});
