import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelReport } from "../../src/evaluation/evaluate.ts";
import { markdownReport, type RunSummary, terminalReport } from "../../src/evaluation/report.ts";

const base: ModelReport = {
  name: "base",
  pass_at_1: 0.05,
  pass_at_1_ci95: [0.03, 0.08],
  cons_at_k: 0.05,
  k: 2,
  problems: 300,
  truncated: 0.25,
  unparsed: 0.01,
  mean_tokens: 150.5,
  tokens_per_s: 99.6,
  bytes: 145e6,
};
const student: ModelReport = {
  ...base,
  name: "student",
  pass_at_1: 0.12,
  mean_tokens: 40,
  gain: { over: "base", pass_at_1: 0.07, ci95: [-0.005, 0.145] },
};
const summary: RunSummary = {
  name: "maths",
  measurements: [{ models: [base, student] }],
  traces: { drawn: 2000, accepted: 100, rows: 90 },
  tokens: { sampled: 68_000, trained: 12_345 },
  seconds: { sample: 600, train: 61 },
  places: { student: "runs/maths/student" },
};

const cellsOf = (line: string) =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());

test("the report's table has a model's pass@1, gain, lengths and shares in the columns that say so", () => {
  const [header, rule, ...rows] = markdownReport(summary)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map(cellsOf);
  assert.equal(rule!.length, header!.length);
  const [before, after] = rows.map((row) => Object.fromEntries(header!.map((name, i) => [name, row[i]])));
  assert.deepEqual(before, {
    model: "base",
    "pass@1": "5.0 %",
    "95 % interval": "3.0 % – 8.0 %",
    "over base": "",
    "cons@k": "5.0 %",
    truncated: "25.0 %",
    unparsed: "1.0 %",
    tokens: "151",
    "s/problem": "",
    size: "145.0 MB",
    "tokens/s": "100",
  });
  assert.equal(after!["over base"], "+7.0 (−0.5 – +14.5)");
});

test("the report says what was used: traces, tokens by what they were for, time by stage", () => {
  const lines = markdownReport(summary).split("\n");
  assert.ok(lines.includes("- **traces**: 2000 drawn, 100 accepted (5.0 %), 90 trained on"));
  // 300 problems, 2 samples: 600 · 150.5 + 600 · 40
  assert.ok(lines.includes("- **tokens**: 68,000 sampled, 12,345 trained, 114,300 answered"));
  assert.ok(lines.includes("- **time**: sample 10m00s, train 1m01s"), lines.join("\n"));
  const { traces: _, ...untaught } = { ...summary, tokens: { trained: 12_345 } };
  assert.ok(markdownReport(untaught).includes("- **tokens**: 12,345 trained, 114,300 answered"));
  assert.match(terminalReport(summary), /^tokens: +68,000 sampled, 12,345 trained, 114,300 answered$/m);
});

test("rules beside correctness have a column each, empty where a model was not measured by them", () => {
  const judged = { ...student, rewards: { language_consistency: 0.98765 } };
  const [header, , ...rows] = markdownReport({ ...summary, measurements: [{ models: [base, judged] }] })
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map(cellsOf);
  const column = header!.indexOf("language_consistency");
  assert.equal(header![column - 1], "cons@k");
  assert.deepEqual(
    rows.map((row) => row[column]),
    ["", "0.988"],
  );
  assert.match(terminalReport({ ...summary, measurements: [{ models: [base, judged] }] }), /language_consistency/);
});
