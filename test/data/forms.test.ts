import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { type PromptSource, readQuestions } from "../../src/data/prompts.ts";
import { createRewards, RewardSpecs } from "../../src/rewards/create.ts";
import { judge } from "../../src/rewards/judge.ts";
import { scratch } from "../support/students.ts";

/** Rows in the columns that the sets have at the hub, written for this test. */
const ROWS = {
  gsm8k: { question: "How many are 1,000 and 234?", answer: "1,000 + 234 = <<1000+234=1234>>1,234\n#### 1,234" },
  gpqa: {
    "Record ID": "rec1",
    Question: "Which is a noble gas?",
    "Correct Answer": "neon",
    "Incorrect Answer 1": "iron",
    "Incorrect Answer 2": "boron",
    "Incorrect Answer 3": "zinc",
  },
  humaneval: {
    task_id: "HumanEval/900",
    prompt:
      'from typing import List\n\n\ndef half(x: int) -> int:\n    return x // 2\n\n\ndef doubled(xs: List[int]) -> List[int]:\n    """Each twice.\n    >>> doubled([1])\n    [2]\n    """\n',
    canonical_solution: "    return [2 * x for x in xs]\n",
    test: "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == [2, 4]\n    assert [half(x) for x in candidate([3])] == [3]\n",
    entry_point: "doubled",
  },
  mbpp: {
    task_id: 11,
    prompt: "Write a function to sum a list.",
    code: "def total(xs):\n    return sum(xs)",
    test_imports: ["import math"],
    test_list: ["assert total([1, 2]) == 3", "assert math.isclose(total([0.5, 0.25]), 0.75)"],
  },
};

const packed = (tests: unknown): string => {
  const text = Buffer.from(JSON.stringify(tests));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const frame = Buffer.alloc(8);
  frame.writeBigUInt64LE(BigInt(text.length + 7));
  const pickled = [Buffer.from([0x80, 4, 0x95]), frame, Buffer.from("X"), length, text, Buffer.from([0x94, 0x2e])];
  return deflateSync(Buffer.concat(pickled)).toString("base64");
};

const LIVE = {
  stdin: {
    question_id: "abc1",
    question_content: "Print the sum of the two numbers.",
    starter_code: "",
    public_test_cases: JSON.stringify([{ input: "1 2\n", output: "3\n", testtype: "stdin" }]),
    private_test_cases: packed([{ input: "10 -4\n", output: "6\n", testtype: "stdin" }]),
    metadata: "{}",
  },
  functional: {
    question_id: "3001",
    question_content: "Return the sum of a and b.",
    starter_code: "class Solution:\n    def add(self, a: int, b: List[int]) -> int:\n        ",
    public_test_cases: JSON.stringify([{ input: "1\n[2, 3]", output: "6", testtype: "functional" }]),
    private_test_cases: packed([{ input: "4\n[]", output: "4", testtype: "functional" }]),
    metadata: '{"func_name": "add"}',
  },
};

const read = (rows: readonly unknown[], source: Partial<Extract<PromptSource, { path: unknown }>> = {}) => {
  const path = join(scratch(), "rows.jsonl");
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return readQuestions({ path, ...source });
};

test("GSM8K's answer stands behind its marks; a file of prompts and answers is read too", async () => {
  const [row] = await read([ROWS.gsm8k], { form: "gsm8k", instruction: "{prompt} In \\boxed{$&}." });
  assert.deepEqual([row!.answer, row!.prompt], ["1234", "How many are 1,000 and 234? In \\boxed{$&}."]);
  const [plain] = await read([{ id: "x", prompt: "1 + 1?", answer: "2" }], { form: "gsm8k" });
  assert.deepEqual(plain, { id: "x", prompt: "1 + 1?", answer: "2" });
});

test("GPQA's choices come in an order that is the same for the same question, and not always the first is right", async () => {
  const questions = Array.from({ length: 60 }, (_, i) => ({
    ...ROWS.gpqa,
    "Record ID": `r${i}`,
    Question: `Which, ${i}?`,
  }));
  const rows = await read(questions, { form: "gpqa" });
  for (const { prompt, answer } of rows) assert.match(prompt, new RegExp(`^${answer}\\) neon$`, "m"));
  const letters = new Map<string, number>();
  for (const { answer } of rows) letters.set(answer!, (letters.get(answer!) ?? 0) + 1);
  assert.deepEqual([...letters.keys()].sort(), ["A", "B", "C", "D"]);
  assert.deepEqual((await read([...questions].reverse(), { form: "gpqa" })).reverse(), rows);
});

test("choices may be a list with a number or a letter, or texts with labels", async () => {
  const mmlu = { question: "2 + 2?", choices: ["3", "4", "5", "6"], answer: 1 };
  const arc = { id: "q", question: "Hot?", choices: { text: ["ice", "fire"], label: ["1", "2"] }, answerKey: "2" };
  const named = { frage: "Nass?", wahl: ["Wasser", "Sand"], answer: "Wasser" };
  const [one] = await read([mmlu], { form: "multiple_choice" });
  assert.deepEqual([one!.prompt, one!.answer], ["2 + 2?\n\nA) 3\nB) 4\nC) 5\nD) 6", "B"]);
  assert.equal((await read([arc], { form: "multiple_choice" }))[0]!.answer, "B");
  const columns = { prompt: "frage", choices: "wahl" };
  assert.equal((await read([named], { form: "multiple_choice", columns }))[0]!.answer, "A");
  await assert.rejects(
    read([{ ...mmlu, answer: 7 }], { form: "multiple_choice" }),
    /rows\.jsonl, line 1 has the answer 7\. Expected the letter, the label, the number from 0 or the text/,
  );
});

test("rows of other columns are refused with what they have and what the form has", async () => {
  for (const [form, missing] of [
    ["gsm8k", '"question" or "prompt"'],
    ["gpqa", '"Question"'],
    ["humaneval", '"prompt"'],
    ["mbpp", '"text" or "prompt"'],
    ["livecodebench", '"question_content"'],
  ] as const)
    await assert.rejects(
      read([{ frage: "?", answer: "1" }], { form }),
      new RegExp(`rows\\.jsonl, line 1 has frage, answer\\. Expected ${missing}, as rows of the form ${form} have`),
    );
  await assert.rejects(
    read([{ ...LIVE.stdin, private_test_cases: "!!" }], { form: "livecodebench" }),
    /neither JSON nor packed/,
  );
  await assert.rejects(read([{ ...LIVE.functional, metadata: "{}" }], { form: "livecodebench" }), /no name of it/);
});

const [rule] = await createRewards(RewardSpecs.parse([{ type: "code", score: "all" }]));
const verdictOf = async (answer: string, program: string) => {
  const completion = `Here it is:\n\n\`\`\`python\n${program}\n\`\`\``;
  const { verdict, reason } = await judge([rule!], { prompt: "?", completion, answer, finish_reason: "stop" });
  return verdict === "infra_error" ? reason : verdict;
};

test("HumanEval's tests pass a right program and fail a wrong one; they may call what stands before the function", async () => {
  const [row] = await read([ROWS.humaneval], { form: "humaneval" });
  assert.equal(row!.id, "HumanEval/900");
  const program = (body: string) => `from typing import List\n\ndef doubled(xs: List[int]) -> List[int]:\n    ${body}`;
  assert.equal(await verdictOf(row!.answer!, program("return [2 * x for x in xs]")), "correct");
  assert.equal(await verdictOf(row!.answer!, program("return xs")), "incorrect");
});

test("MBPP's tests do the same, with their imports", async () => {
  const [row] = await read([ROWS.mbpp], { form: "mbpp" });
  assert.deepEqual([row!.id, /assert total\(\[1, 2\]\) == 3/.test(row!.prompt)], ["11", true]);
  assert.equal(await verdictOf(row!.answer!, ROWS.mbpp.code), "correct");
  assert.equal(await verdictOf(row!.answer!, "def total(xs):\n    return 3"), "incorrect");
});

test("LiveCodeBench's tests do the same, those that are packed too, of programs and of methods", async () => {
  const [stdin, functional] = await read([LIVE.stdin, LIVE.functional], { form: "livecodebench" });
  assert.equal(JSON.parse(stdin!.answer!).stdin_tests.length, 2);
  assert.equal(await verdictOf(stdin!.answer!, "print(sum(map(int, input().split())))"), "correct");
  assert.equal(await verdictOf(stdin!.answer!, "print(3)"), "incorrect");
  const method = (sum: string) =>
    `from typing import List\n\nclass Solution:\n    def add(self, a: int, b: List[int]) -> int:\n        return ${sum}`;
  assert.equal(await verdictOf(functional!.answer!, method("a + sum(b)")), "correct");
  assert.equal(await verdictOf(functional!.answer!, method("6")), "incorrect");
});

const FILE = process.env.DISTILL_TEST_GSM8K ?? "";
test(
  "a file of GSM8K's test split is read whole",
  { skip: !existsSync(FILE) && "set DISTILL_TEST_GSM8K to the file" },
  async () => {
    const rows = await readQuestions({ path: FILE, form: "gsm8k" });
    assert.equal(rows.length, 1319);
    assert.ok(rows.every(({ answer }) => /^-?\d+(\.\d+)?$/.test(answer!)));
  },
);
