/** @file distill chat in a pipe: one question a line. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { inColumns, wrapped } from "../../src/commands/chat/columns.ts";
import { distill, type Said, startDistill } from "../support/cli.ts";
import { scratch, writeStudent } from "../support/students.ts";

const TEACHER = "data/models/stories-teacher-q8_0.gguf";
const GREEDY = ["--temperature", "0", "--max-length", "60"];

async function chat(args: string[], input: string) {
  const { child, ended } = startDistill(["chat", ...args]);
  child.stdin!.end(input);
  return await ended;
}

test("each line is answered, and what was said before is remembered until /new", async () => {
  const question = "Anna has 42 apples. She buys 17 more. How many are left?";
  const { code, out } = await chat(
    [TEACHER, ...GREEDY],
    `${question}\n\n${question}\n/new\n${question}\n/end\nnot asked\n`,
  );
  assert.equal(code, 0);
  const answers = out.trim().split(/\n(?=<think>)/);
  assert.equal(answers.length, 3, out);
  assert.match(answers[0]!, /^<think>[\s\S]+<answer>59<\/answer>$/);
  assert.equal(answers[2], answers[0], "after /new the same question has the same answer");
  assert.notEqual(answers[1], answers[0], "with the first answer before it the question is another text");
});

test("several models answer one after the other, each under its name, a folder of weights among them", async () => {
  const { code, out } = await chat(
    [TEACHER, "--compare", "data/models/stories-base", ...GREEDY],
    "Tom has 5 pens. How many are left?\n",
  );
  assert.equal(code, 0);
  assert.match(out, /^data\/models\/stories-teacher-q8_0\.gguf: [\s\S]+\ndata\/models\/stories-base: [\s\S]+\n$/);
});

test("what is no model, has no template or is asked for wrongly is one sentence", async () => {
  const silent = `${scratch()}/silent`;
  await writeStudent(silent);
  const refused = ({ code, err }: Said, message: RegExp) => {
    assert.equal(code, 1, String(message));
    const said = err.split("\n").filter((line) => line.startsWith("Error"));
    assert.equal(said.length, 1, err);
    assert.match(said[0]!, message);
  };
  for (const [args, message] of [
    [["nothing"], /^Error: nothing is not there\. Expected a run, /],
    [["README.md"], /^Error: No teacher opens README\.md\./],
    [["src"], /^Error: src is no model\. Expected a run, /],
    [["data/models"], /^Error: data\/models has 2 models: .*Name one of them\.$/m],
    [[TEACHER, "--temperature", "hot"], /^Error: --temperature: /],
    [[TEACHER, "--top-p", "2"], /^Error: --top-p: /],
  ] as const)
    refused(await distill("chat", ...args), message);
  refused(await chat([silent], "a question\n"), /has no chat template\. Set chat_template to one of plain, r1/);
});

test("columns are wrapped at blanks, wide characters count two, and all are as high as the highest", () => {
  assert.deepEqual(wrapped("one two  three\n\nfour", 8), ["one two", "three", "", "four"]);
  assert.deepEqual(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
  assert.deepEqual(wrapped("漢字漢字", 4), ["漢字", "漢字"]);
  const lines = inColumns(["a", "b"], ["x", "1\n2"], 23);
  assert.deepEqual(lines, ["a          │ b", "────────── │ ──────────", "x          │ 1", "           │ 2"]);
});
