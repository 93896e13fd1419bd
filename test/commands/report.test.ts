import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { writeDataset } from "../../src/data/dataset-folder.ts";
import { inTables, tracesTable } from "../../src/data/traces.ts";
import { whyNoBrowser } from "../support/browser.ts";
import { distill, type Said, startDistill } from "../support/cli.ts";
import { LOOKS, openTab } from "../support/devtools.ts";
import { recipe } from "../support/recipes.ts";
import { scratch } from "../support/students.ts";
import { trace } from "../support/traces.ts";

const { path, output } = recipe({
  evaluation_dataset: { split: 0.1 },
  trainer: { max_length: 128, max_steps: 12, logging_steps: 1, eval_steps: 4, per_device_train_batch_size: 2 },
  export: [{ type: "gguf", types: ["f32"] }],
  parity: { prompts: 2, max_completion_length: 4 },
});
let done: Said;
before(async () => {
  done = await distill("run", path);
});
const page = join(output, "report.html");
const HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">\u202e\u001b[31m';

test("every run writes its page: pipeline, curves, exports, costs, and where each file comes from", () => {
  assert.equal(done.code, 0, done.err);
  const html = readFileSync(page, "utf8");
  const manifest =
    JSON.parse(readFileSync(join(output, "manifest.json"), "utf8")).state ??
    JSON.parse(readFileSync(join(output, "manifest.json"), "utf8"));
  for (const { key } of Object.values(manifest.stages as Record<string, { key: string }>))
    assert.ok(html.includes(key), key);
  for (const title of ["loss", "norm of the gradient", "learning rate", "tokens a second"])
    assert.match(html, new RegExp(`>${title}</text>`));
  assert.match(html, />validation<\/text>/);
  assert.match(html, /gguf-f32/);
  for (const file of ["student/model.safetensors", "export/parity.json", "metrics.jsonl"])
    assert.ok(html.includes(`>${file}<`), file);
  assert.match(html, /What it cost/);
});

test("the page loads nothing, runs nothing, and obeys nothing that stands in traces", async () => {
  const traces = [
    trace("good", 0, { prompt: HOSTILE, completion: `<think>${HOSTILE}</think>${HOSTILE}`, reason: HOSTILE }),
    trace("bad", 1, { verdict: "incorrect", accepted: false }),
    trace("cut", 2, { finish_reason: "length", verdict: "truncated", accepted: false }),
  ];
  await writeDataset(join(output, "traces"), inTables(traces, tracesTable));
  assert.equal((await distill("report", output)).code, 0);
  const html = readFileSync(page, "utf8");
  assert.doesNotMatch(
    html.replaceAll("http://www.w3.org/2000/svg", ""),
    /<script|<img|https?:|[\0-\x08\x0b-\x1f\u202e]|NaN|undefined/,
  );
  assert.match(html, /&lt;script&gt;alert\(1\)&lt;\/script&gt;.*\\u202e\\u001b\[31m/);
  for (const kind of ["correct", "wrong", "cut"]) assert.match(html, new RegExp(`<h3>${kind}</h3>`));
  assert.match(html, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'/);
});

test("several runs are compared on one page, and what is no run is refused in a sentence", async () => {
  const both = join(scratch(), "both.html");
  assert.match((await distill("report", output, output, "--html", both)).out, /shows toy, toy/);
  assert.equal(readFileSync(both, "utf8").split("What it cost").length, 3);
  const empty = scratch();
  mkdirSync(join(empty, "x"));
  writeFileSync(join(empty, "y"), "");
  assert.match((await distill("report", empty)).err, /is no run's folder: it has no manifest\.json/);
  assert.match((await distill("report", join(empty, "y"))).err, /y is no run's folder: it has no manifest\.json/);
  assert.match((await distill("report", join(empty, "z"))).err, /z is not there/);
});

test("each measurement of a run is on its page, with the curves of its searches", async () => {
  const questions = join(scratch(), "questions.jsonl");
  writeFileSync(questions, [1, 2].map((n) => JSON.stringify({ prompt: `${n}+${n}=`, answer: `${2 * n}` })).join("\n"));
  const prompts = { path: questions };
  const asked = { prompts, num_generations: 2, max_completion_length: 8, models: ["student"] };
  const measured = recipe({
    trainer: { max_length: 128, max_steps: 1 },
    evaluation: [
      { name: "first", ...asked },
      { name: "second", ...asked, search: [{ type: "best_of_n", n: [1, 2], by: ["majority"] }] },
    ],
  });
  const { code, err } = await distill("run", measured.path);
  assert.equal(code, 0, err);
  const html = readFileSync(join(measured.output, "report.html"), "utf8");
  for (const text of [
    "<h3>first</h3>",
    "<h3>second</h3>",
    "2 problems of first",
    "On 2 of second: ",
    "tokens a problem",
  ])
    assert.ok(html.includes(text), text);
  assert.match(html, /student: share of problems that are right<.*student, best of n by majority<\/td><td>1</s);
});

test("what a student writes for its own training is shown by what rules say of it, and its curves are drawn", async () => {
  const { path, output } = recipe({
    dataset: undefined,
    rewards: [{ type: "accuracy" }],
    trainer: {
      ...{
        type: "grpo",
        prompts: { generate: { type: "arithmetic" }, rows: 8 },
        prompts_per_step: 2,
        num_generations: 2,
      },
      ...{ max_completion_length: 6, max_length: 64, max_steps: 3, logging_steps: 1, beta: 0.01 },
    },
  });
  const { code, err } = await distill("run", path);
  assert.equal(code, 0, err);
  const html = readFileSync(join(output, "report.html"), "utf8");
  for (const title of [
    "reward",
    "tokens of a completion",
    "completions that were cut",
    "KL to the reference",
    "entropy",
  ])
    assert.match(html, new RegExp(`>${title}</text>`), title);
  assert.match(html, /What was trained.*on its own answers by grpo, 3 steps/s);
  assert.match(html, /What the student wrote last for its own training<\/h2><h3>(cut|wrong|correct)<\/h3>/);
});

test("watch shows curves in the terminal, also while a line is being written, and serves the page", async () => {
  appendFileSync(join(output, "metrics.jsonl"), '{"step": 13, "lo');
  const { code, out } = await distill("watch", output);
  assert.equal(code, 0);
  assert.match(out, /^toy: train \d+s · export \d+s\n\nloss: training [\d.]+, validation [\d.]+\n/);
  assert.match(out, /[\u2801-\u28ff]/);
  const { child, ended } = startDistill(["watch", output, "--serve"]);
  const url = await new Promise<string>((resolve) =>
    child.stdout!.on("data", (piece) => resolve(/http:\S+\/(?=;)/.exec(String(piece))![0])),
  );
  const response = await fetch(url);
  assert.match(await response.text(), /<meta http-equiv="refresh" content="10">/);
  child.kill("SIGTERM");
  assert.equal((await ended).code, 143);
});

test("in Chromium the page is whole in light and dark and as wide as a phone", { skip: whyNoBrowser() }, async () => {
  assert.ok(existsSync(page));
  const tab = await openTab();
  try {
    for (const [name, look] of Object.entries(LOOKS)) {
      await tab.look(look);
      await tab.open(`file://${page}`);
      assert.equal(await tab.value("document.documentElement.scrollWidth <= innerWidth"), true, name);
      const [red, green, blue] = (await tab.value<string>("getComputedStyle(document.body).backgroundColor"))
        .match(/\d+/g)!
        .map(Number);
      assert.equal(red! + green! + blue! < 200, look.dark);
      await tab.picture(`.build/pictures/report-${name}.png`, true);
    }
    assert.deepEqual(tab.complaints, []);
  } finally {
    await tab.close();
  }
});
