import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readPrompts } from "../../src/data/prompts.ts";
import { scratch } from "../support/students.ts";

test("rows of benchmarks bring their own tests as the reference, and an answer of their own goes before them", async () => {
  const path = join(scratch(), "rows.jsonl");
  const rows = [
    { prompt: "def f(x):\n", test: "def check(candidate): pass", entry_point: "f", canonical_solution: "    return 1" },
    { question_content: "Print it.", public_test_cases: "[]", metadata: "{}", starter_code: "" },
    { prompt: "Square it.", test_list: ["assert f(2) == 4"], code: "def f(x): return x * x" },
    { prompt: "What is it?", test_list: ["assert f(2) == 4"], answer: "4" },
    { prompt: "What?", test: "only a word" },
  ];
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  const read = await readPrompts({ path }, "train");
  const answers = read.map(({ answer }) => answer);
  assert.deepEqual(JSON.parse(answers[0]!), { test: rows[0]!.test, entry_point: "f", prompt: "def f(x):\n" });
  assert.deepEqual(JSON.parse(answers[1]!), { public_test_cases: "[]", metadata: "{}", starter_code: "" });
  assert.deepEqual(JSON.parse(answers[2]!), { test_list: ["assert f(2) == 4"] });
  assert.deepEqual(answers.slice(3), ["4", undefined]);
});
