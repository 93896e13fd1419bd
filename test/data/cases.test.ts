import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { allOf } from "../../src/data/example-store.ts";
import { readExamples } from "../../src/data/examples.ts";
import { readPrompts } from "../../src/data/prompts.ts";
import { loadTokenizer, type Rendering } from "../../src/data/tokenizer.ts";
import { whyNoBundle, writeChatTokenizer } from "../support/chat-templates.ts";
import { scratch } from "../support/students.ts";

const CASES = "../shared/cases/data";
const folder = scratch();
const skip = existsSync(CASES) ? (whyNoBundle ?? false) : `${CASES} is not there`;

/** What is learned of the first example, behind the end of its prompt; or why the dataset is refused. */
const EXPECTED: Record<string, string | RegExp> = {
  "sharegpt.jsonl": "Hi|Hello",
  "alpaca.jsonl": "Add\n1 2|3",
  "prompt-list.jsonl": "Hi|Hello",
  "content-parts.jsonl": "Hi|Hello",
  "content-null.jsonl": 'Hi|<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bern"}}\n</tool_call>',
  "toolcalls-text.jsonl":
    'Weather in Bern?|Let me look.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bern"}}\n</tool_call>',
  "system-column-pc.jsonl": "Hi|Hello",
  "thinking-key.jsonl": "Hi|<think>\nI think\n</think>\n\nHello",
  "weight0.jsonl": "Again|GOOD",
  "history.jsonl": "x|y",
  "messages-json-string.jsonl": "Hi|Hello",
  "role-model.jsonl": /line 1, turn 2 has the role "model"/,
  "number-completion.jsonl": "1+1|2",
  "utf16.jsonl": /is not UTF-8: it looks like UTF-16/,
  "gz.jsonl.gz": "Q1 ?|A1",
  "array.json": "Q1 ?|A1",
  "csv.csv": "Q|A",
  "latin1.jsonl": /line 1: not UTF-8/,
  "pretty-object.json": /is one JSON object over several lines/,
  "third-row-bad.jsonl": /2 of 4 rows of .* cannot be used\. .*line 3: .*line 4: .*on_bad_row/,
  "literal-think-mention.jsonl": /line 1: the completion opens a think block/,
  "pc-with-template.jsonl": "What is 1+1?|2",
  "function-call-role.jsonl": 'Hi|<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>',
  "hf-int-id": "Q0 ?|A0",
  "hf-datasetdict": /has the splits train, test\. Give one of them: .*hf-datasetdict:train/,
  "hf-classlabel": "Q1 ?|A1",
  "hf-json-feature": 'Q ?|A\n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>',
  "hf-prompts-int-id": /These are questions without completions/,
  "pairs.parquet": "Q0 ?|A0",
  "lz4.arrow": "Q1 ?|A1",
  "eval-mismatch-pairs.jsonl": "How many marbles does Cleo have now?|19",
  "eval-mismatch-test.jsonl": /These are questions without completions/,
  "stale.jsonl": "Q0 ?|B other answer",
  "gemma2-second-row.jsonl": /line 2: The chat template of .* cannot write these messages: .*System role not supported/,
};

/** Raises where a system speaks, as Gemma 2's does. */
const NO_SYSTEM =
  "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

async function read(name: string, rendering: Rendering = {}, on_bad_row: "error" | "skip" = "error") {
  const tokenizer = loadTokenizer(writeChatTokenizer(join(folder, "qwen"), "Qwen3 0.6B"), undefined, rendering);
  const sizes = { max_length: 4096, overlength: "drop" } as const;
  const examples = await readExamples({ path: join(CASES, name) }, tokenizer, { ...sizes, on_bad_row });
  const [{ tokens, supervised }] = allOf(examples!.segments) as [ReturnType<typeof allOf>[0]];
  const start = supervised.indexOf(true);
  const end = supervised.indexOf(false, start);
  const learned = tokenizer.decode(tokens.slice(start, end < 0 ? undefined : end)).replace("<|im_end|>", "");
  const asked = tokenizer.decode(tokens.slice(0, start)).split("<|im_end|>\n").at(-2)!;
  return { learned, asked: asked.replace(/^.*<\|im_start\|>user\n/s, ""), examples: examples! };
}

test("every dataset of the cases is here", { skip }, () => {
  const there = readdirSync(CASES).filter((name) => name !== "README.md");
  assert.deepEqual(Object.keys(EXPECTED).sort(), there.sort());
});

for (const [name, expected] of Object.entries(EXPECTED))
  test(`${name}: ${typeof expected === "string" ? "read" : "refused in a sentence"}`, { skip }, async () => {
    const rendering = name.startsWith("gemma2") ? { chat_template: NO_SYSTEM } : {};
    if (typeof expected !== "string")
      return assert.rejects(read(name, rendering), { name: "DistillError", message: expected });
    const { learned, asked } = await read(name, rendering);
    const [question, answer] = expected.split("|");
    assert.ok(asked.endsWith(question!), asked);
    assert.equal(learned, answer);
  });

test("what is beside them: a split, questions with numbers, rows that are skipped", { skip }, async () => {
  assert.equal((await read("hf-datasetdict:train")).learned, "A0");
  const prompts = await readPrompts({ path: join(CASES, "hf-prompts-int-id") }, "test");
  assert.deepEqual(
    prompts.map(({ id, answer }) => [id, answer]),
    [
      ["0", "0"],
      ["1", "1"],
      ["2", "2"],
    ],
  );
  const { examples } = await read("third-row-bad.jsonl", {}, "skip");
  assert.deepEqual([examples.segments.length, examples.findings.bad, examples.rows], [2, 2, 4]);
  const gemma = await read("gemma2-second-row.jsonl", { chat_template: NO_SYSTEM }, "skip");
  assert.deepEqual([gemma.examples.segments.length, gemma.examples.findings.bad], [1, 1]);
});
