import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { distill } from "../support/cli.ts";
import { scratch } from "../support/students.ts";

/** Do something in an empty folder. */
async function inEmptyFolder(work: () => Promise<void>): Promise<void> {
  const before = process.cwd();
  process.chdir(scratch());
  try {
    await work();
  } finally {
    process.chdir(before);
  }
}

const STUDENT = resolve("data/models/stories-base");
const TEACHER = resolve("data/models/stories-teacher-q8_0.gguf");

const BEGINNINGS: [what: string, options: string[], files: string[]][] = [
  ["nothing else", [], ["mine-rows.jsonl", "mine-test.jsonl", "mine.yaml"]],
  ["a dataset", ["--dataset", "own.jsonl", "--student", STUDENT], ["mine.yaml", "own.jsonl"]],
  ["a GGUF file that comes along", ["--from", "gguf"], ["mine-prompts.jsonl", "mine-test.jsonl", "mine.yaml"]],
  ["a GGUF file", ["--teacher", TEACHER, "--student", STUDENT], ["mine-prompts.jsonl", "mine-test.jsonl", "mine.yaml"]],
  [
    "a server",
    ["--url", "http://127.0.0.1:9/v1", "--model", "some/model", "--student", STUDENT],
    ["mine-prompts.jsonl", "mine-test.jsonl", "mine.yaml"],
  ],
];

for (const [what, options, files] of BEGINNINGS)
  test(`of ${what} a recipe is begun that distill plan accepts`, () =>
    inEmptyFolder(async () => {
      if (files.includes("own.jsonl")) writeFileSync("own.jsonl", '{"prompt":"1+1=?","completion":"2"}\n');
      const { code, out, err } = await distill("init", "mine", ...options);
      assert.equal(code, 0, err);
      assert.deepEqual(readdirSync(".").sort(), files);
      assert.match(out, /^Wrote mine\.yaml/);
      assert.match(out, /distill plan mine\.yaml +says/);
      assert.match(readFileSync("mine.yaml", "utf8"), /^# yaml-language-server: \$schema=.*recipe\.schema\.json\n/);
      const planned = await distill("plan", "mine.yaml");
      assert.equal(planned.code, 0, planned.err);
      assert.match(planned.out, /train +runs: not run yet/);
    }));

test("what was begun of nothing runs in an empty folder, and the student learns", () =>
  inEmptyFolder(async () => {
    await distill("init", "mine");
    const few = ["threads=1", "trainer.max_steps=40", "parity.prompts=1", "parity.max_completion_length=8"];
    const asked = ["num_generations=1", "prompts.limit=4", "max_completion_length=64"].map(
      (key) => `evaluation.${key}`,
    );
    const { code, out, err } = await distill("run", "mine.yaml", ...few, ...asked);
    assert.equal(code, 0, err);
    assert.match(out, /student-gguf-q8_0/);
    const log = readFileSync("runs/mine/metrics.jsonl", "utf8").trim().split("\n");
    const losses = log.map((line) => (JSON.parse(line) as { loss: number }).loss);
    assert.ok(losses.at(-1)! < losses[0]! / 2, `${losses}`);
  }));

test("a server's recipe says what was given", () =>
  inEmptyFolder(async () => {
    await distill("init", "mine.yaml", "--url", "http://here:1/v1", "--model", "a: b", "--student", "hf:some/student");
    const { name, teacher, student, sampling } = parse(readFileSync("mine.yaml", "utf8"));
    assert.equal(name, "mine");
    assert.deepEqual(teacher, { type: "openai", base_url: "http://here:1/v1", model: "a: b" });
    assert.deepEqual(student, { path: "hf:some/student" });
    assert.match(sampling.system_prompt, /\\boxed\{\}/);
  }));

test("nothing that is there is overwritten", () =>
  inEmptyFolder(async () => {
    writeFileSync("mine-test.jsonl", "kept");
    const { code, err } = await distill("init", "mine");
    assert.equal(code, 1);
    assert.equal(err, "Error: mine-test.jsonl is there already, and nothing is overwritten. Give another name.\n");
    assert.deepEqual(readdirSync("."), ["mine-test.jsonl"]);
    assert.equal(readFileSync("mine-test.jsonl", "utf8"), "kept");
  }));

test("what does not go together is refused, and nothing is written", () =>
  inEmptyFolder(async () => {
    const REFUSED: [options: string[], sentence: RegExp][] = [
      [["a/b"], /"a\/b" is no name of a run/],
      [["mine", "--from", "servr"], /--from is "servr" \(did you mean "server"\?\)/],
      [["mine", "--from", "gguf", "--url", "http://a"], /--url goes with --from server, not with gguf/],
      [["mine", "--url", "http://a", "--teacher", "x.gguf"], /--teacher goes with --from gguf, not with server/],
      [["mine", "--model", "x"], /--model names the model of a server/],
    ];
    for (const [options, sentence] of REFUSED) {
      const { code, err } = await distill("init", ...options);
      assert.equal(code, 1);
      assert.match(err, sentence);
    }
    assert.deepEqual(readdirSync("."), []);
  }));

test("from within the package's folder, what comes along is named from there", () =>
  inEmptyFolder(async () => {
    const { packaged } = await import("../../src/commands/init/begun.ts");
    const root = resolve(packaged("."));
    assert.equal(packaged("recipes/a.yaml"), join(root, "recipes/a.yaml"));
    process.chdir(join(root, "test"));
    assert.equal(packaged("recipes/a.yaml"), "../recipes/a.yaml");
  }));
