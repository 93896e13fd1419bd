import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { type QuestionFiles, readQuestions } from "../../src/data/prompts.ts";
import { type presets, protocols } from "../../src/evaluation/presets.ts";
import { Evaluation, withPresets } from "../../src/recipe/recipe.ts";
import { createRewards, RewardSpecs } from "../../src/rewards/create.ts";
import { judge } from "../../src/rewards/judge.ts";
import { scratch } from "../support/students.ts";

/** JSON as LiveCodeBench packs it: a pickled text of protocol 4, deflated. */
const packed = (tests: unknown): string => {
  const text = Buffer.from(JSON.stringify(tests));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const pickled = [Buffer.from([0x80, 4]), Buffer.from("X"), length, text, Buffer.from([0x94, 0x2e])];
  return deflateSync(Buffer.concat(pickled)).toString("base64");
};

const boxed = (answer: string) => `<think>Hm.</think>\n\nSo it is $\\boxed{${answer}}$.`;
const program = (text: string) => `<think>Hm.</think>\n\n\`\`\`python\n${text}\n\`\`\``;

type Case = { row: object; id?: string; right: string[]; wrong: string[] };

/** Rows with all the columns that the sets have at the hub, in the types of their files, written for this test. */
const CASES: Record<keyof typeof presets, Case[]> = {
  gsm8k: [
    {
      row: { question: "How many are 1,000 and 234?", answer: "1,000 + 234 = <<1000+234=1234>>1,234\n#### 1,234" },
      right: [boxed("1234"), boxed("1{,}234")],
      wrong: [boxed("1"), boxed("12340")],
    },
  ],
  math_500: [
    {
      row: {
        ...{
          problem: "Write $(0,3)$ in polar coordinates.",
          solution: "…\\[\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}.\\]",
        },
        ...{
          answer: "\\left( 3, \\frac{\\pi}{2} \\right)",
          subject: "Precalculus",
          level: 2,
          unique_id: "test/precalculus/0.json",
        },
      },
      id: "test/precalculus/0.json",
      right: [boxed("(3, \\tfrac{\\pi}{2})")],
      wrong: [boxed("(3, \\pi)")],
    },
  ],
  aime24: [
    {
      row: {
        ...{ id: 60, problem: "Find the number of hours.", solution: "…", answer: "025" },
        ...{ url: "https://example.org/AIME_I_Problems", year: "2024" },
      },
      id: "60",
      right: [boxed("25"), boxed("025")],
      wrong: [boxed("250")],
    },
  ],
  aime25: [
    { row: { problem: "Find the sum.", answer: "70", id: "0" }, id: "0", right: [boxed("70")], wrong: [boxed("7")] },
    {
      row: { problem: "Find the angle in degrees.", answer: "336^\\circ", id: "4" },
      id: "4",
      right: [boxed("336"), boxed("336^\\circ")],
      wrong: [boxed("36")],
    },
  ],
  gpqa_diamond: [
    {
      row: {
        ...{ "Pre-Revision Question": "Which?", Question: "Which is a noble gas?", "Correct Answer": "neon\n" },
        ...{ "Incorrect Answer 1": "iron", "Incorrect Answer 2": "boron", "Incorrect Answer 3": "zinc" },
        ...{
          Explanation: "It is inert.",
          Subdomain: "Chemistry (general)",
          "High-level domain": "Chemistry",
          "Record ID": "rec06",
        },
      },
      id: "rec06",
      right: [],
      wrong: ["I do not know."],
    },
  ],
  humaneval: [
    {
      row: {
        ...{ task_id: "HumanEval/900", entry_point: "doubled", canonical_solution: "    return [2 * x for x in xs]\n" },
        prompt: 'from typing import List\n\n\ndef doubled(xs: List[int]) -> List[int]:\n    """Each twice."""\n',
        test: "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == [2, 4]\n",
      },
      id: "HumanEval/900",
      right: [program("def doubled(xs):\n    return [2 * x for x in xs]")],
      wrong: [program("def doubled(xs):\n    return xs")],
    },
  ],
  mbpp: [
    {
      row: {
        ...{
          source_file: "Benchmark Questions Verification V2.ipynb",
          task_id: 11,
          prompt: "Write a function to sum a list.",
        },
        ...{ code: "def total(xs):\n    return sum(xs)", test_imports: ["import math"] },
        test_list: ["assert total([1, 2]) == 3", "assert math.isclose(total([0.5, 0.25]), 0.75)"],
      },
      id: "11",
      right: [program("def total(xs):\n    return sum(xs)")],
      wrong: [program("def total(xs):\n    return 3")],
    },
  ],
  livecodebench: [
    {
      row: {
        ...{ question_title: "Sum", question_content: "Print the sum of the two numbers.", platform: "atcoder" },
        ...{ question_id: "abc300_a", contest_id: "abc300", contest_date: "2024-08-10T00:00:00", starter_code: "" },
        ...{ difficulty: "easy", metadata: "{}" },
        public_test_cases: JSON.stringify([{ input: "1 2\n", output: "3\n", testtype: "stdin" }]),
        private_test_cases: packed([{ input: "10 -4\n", output: "6\n", testtype: "stdin" }]),
      },
      id: "abc300_a",
      right: [program("print(sum(map(int, input().split())))")],
      wrong: [program("print(3)")],
    },
  ],
};

for (const [preset, cases] of Object.entries(CASES))
  test(`${preset} reads rows as they are published, and tells right answers from wrong ones`, async () => {
    const path = join(scratch(), "rows.jsonl");
    writeFileSync(path, cases.map(({ row }) => `${JSON.stringify(row)}\n`).join(""));
    const evaluation = Evaluation.parse(withPresets({ preset, prompts: { path } }));
    const prompts = await readQuestions(evaluation.prompts as QuestionFiles);
    const [rule] = await createRewards(
      RewardSpecs.parse([evaluation.correctness ?? { type: "accuracy", profile: "lenient" }]),
    );
    for (const [i, { id, right, wrong }] of cases.entries()) {
      const { prompt, answer, ...asked } = prompts[i]!;
      assert.equal(asked.id, id ?? "line-1");
      const letters =
        preset === "gpqa_diamond" ? ["A", "B", "C", "D"].map((letter) => [letter, boxed(letter)] as const) : [];
      const says = [
        ...right.map((completion) => [completion, "correct"] as const),
        ...wrong.map((completion) => [completion, "incorrect"] as const),
        ...letters.map(([letter, completion]) => [completion, letter === answer ? "correct" : "incorrect"] as const),
      ];
      for (const [completion, expected] of says) {
        const { verdict, reason } = await judge([rule!], {
          prompt,
          completion,
          answer: answer!,
          finish_reason: "stop",
        });
        assert.equal(verdict === "unknown" ? "incorrect" : verdict, expected, `${completion}: ${reason}`);
      }
      if (preset === "gpqa_diamond") assert.match(prompt, new RegExp(`^${answer}\\) neon$`, "m"));
    }
  });

test("the paper's sampling is what DeepSeek-R1's report says", () => {
  assert.deepEqual(protocols.deepseek_r1, { temperature: 0.6, top_p: 0.95, max_completion_length: 32_768 });
});
