import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readTraces } from "../../src/data/traces.ts";
import { distill, withEnvironment } from "../support/cli.ts";
import { startHub } from "../support/hub.ts";
import { MODELS, recipe, STORIES } from "../support/recipes.ts";
import { startServer } from "../support/server.ts";
import { scratch } from "../support/students.ts";

const TEACHER = join(MODELS, "stories-teacher-q8_0.gguf");
const QUESTIONS = join(STORIES, "test.jsonl");
const SHORT = ["max_completion_length=320", "models.0.sequences=8", "models.0.threads=1", "models.0.gpu=false"];

const reportOf = (output: string, name = "") =>
  JSON.parse(readFileSync(join(output, "evaluation", name, "report.json"), "utf8"));

test("a GGUF file is measured without a recipe, once, and runs are set side by side problem by problem", async () => {
  const folder = scratch();
  const [greedy, hot] = [join(folder, "greedy"), join(folder, "hot")];
  const asked = ["eval", "--model", TEACHER, "--data", QUESTIONS];
  const limit = ["prompts.limit=6", ...SHORT];
  const first = await distill(...asked, "--output", greedy, ...limit, "protocol=greedy");
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /stories-teacher-q8_0\.gguf +\d/);
  const page = readFileSync(join(greedy, "report.html"), "utf8");
  assert.match(page, /What was measured<\/h3><p class="big">stories-teacher-q8_0\.gguf</);
  assert.match(page, /Answers of stories-teacher-q8_0\.gguf<\/h2><h3>correct</);
  const [model] = reportOf(greedy).models;
  assert.deepEqual([model.problems, model.k, model.pass_at_k.length], [6, 1, 1]);
  assert.match(model.versions.grader, /^accuracy \d/);
  assert.ok(model.seconds_per_problem > 0 && model.mean_tokens > 20);
  const again = await distill(...asked, "--output", greedy, ...limit, "protocol=greedy");
  assert.match(again.out, /evaluate: up to date[\s\S]*Everything was up to date/);

  const second = await distill(...asked, "--output", hot, ...limit, "temperature=2", "top_p=1", "num_generations=2");
  assert.equal(second.code, 0, second.err);
  const said = await distill("compare", greedy, hot);
  assert.equal(said.code, 0, said.err);
  assert.match(said.out, /evaluation\.0\.temperature changed from 0 to 2|temperature/);
  const { changes, measurements } = JSON.parse((await distill("compare", "--json", greedy, hot)).out);
  assert.ok(changes.hot.length > 0);
  const [pair] = measurements[0].pairs;
  const shares = (output: string) => {
    const traces = [...readTraces(join(output, "evaluation/traces/stories-teacher-q8_0.gguf"))];
    return traces.filter(({ verdict }) => verdict === "correct").length / traces.length;
  };
  assert.ok(Math.abs(pair.pass_at_1 - (shares(hot) - shares(greedy))) < 1e-12);
  assert.ok(pair.p_value > 0 && pair.p_value <= 1 && pair.problems === 6 && pair.unpaired === 0);
  assert.equal(pair.better.length + pair.worse.length > 0, true);
});

test("searches are curves of accuracy against tokens, in the report and as a picture", async () => {
  const output = join(scratch(), "run");
  const search = [
    {
      type: "best_of_n",
      n: [1, 2],
      by: ["majority", { type: "logprob" }, { type: "rule", rewards: [{ type: "accuracy" }] }],
    },
    { type: "beam", n: [2], beam_width: 2, separator: "\n", max_step_tokens: 64, max_tokens: 2000 },
    { type: "lookahead", n: [2], beam_width: 1, separator: "\n", max_step_tokens: 64, lookahead: 32 },
  ];
  const args = ["eval", "--model", TEACHER, "--data", QUESTIONS, "--output", output, "prompts.limit=4", ...SHORT];
  const { code, err, out } = await distill(...args, "num_generations=1", `search=${JSON.stringify(search)}`);
  assert.equal(code, 0, err);
  assert.match(out, /best of n by majority +1 /);
  const [curves] = Object.values(reportOf(output).curves) as { label: string; points: Record<string, number>[] }[][];
  assert.deepEqual(
    curves!.map(({ label, points }) => [label, points.map(({ n }) => n)]),
    [
      ["best of n by majority", [1, 2]],
      ["best of n by log-probability", [1, 2]],
      ["best of n by accuracy (knows the answer)", [1, 2]],
      ["beam search by log-probability", [2]],
      ["lookahead search by log-probability", [2]],
    ],
  );
  const [majority, , oracle, beam] = curves!.map(({ points }) => points);
  assert.equal(majority![0]!.accuracy, oracle![0]!.accuracy); // of one answer there is nothing to choose
  assert.ok(oracle![1]!.accuracy! >= majority![1]!.accuracy!);
  assert.ok(Math.abs(majority![1]!.tokens! - 2 * majority![0]!.tokens!) < 1e-9);
  for (const { tokens, accuracy } of beam!) assert.ok(tokens! > 50 && tokens! <= 2000 && accuracy! >= 0.5);
  const picture = readFileSync(join(output, "evaluation/curves.svg"), "utf8");
  assert.match(picture, /tokens a problem[\s\S]*<\/svg>/);
  assert.match((await distill(...args, "num_generations=1", `search=${JSON.stringify(search)}`)).out, /up to date/);
});

test("a budget of tokens is kept: what does not fit is not begun", async () => {
  const output = join(scratch(), "run");
  const search = [
    { type: "best_of_n", n: [1, 4], max_tokens: 400 },
    { type: "beam", n: [2], beam_width: 2, separator: "\n", max_step_tokens: 60, max_tokens: 60 },
  ];
  const { code, err } = await distill(
    ...["eval", "--model", TEACHER, "--data", QUESTIONS, "--output", output, "prompts.limit=2", ...SHORT],
    ...["num_generations=1", `search=${JSON.stringify(search)}`],
  );
  assert.equal(code, 0, err);
  const [[best, beam]] = Object.values(reportOf(output).curves) as [
    { points: { tokens: number; accuracy: number }[] }[],
  ];
  // one answer of at most 320 tokens fits, and another is not begun
  for (const { tokens } of best!.points) assert.ok(tokens > 0 && tokens <= 320);
  for (const { tokens, accuracy } of beam!.points) assert.ok(tokens > 0 && tokens <= 60, `${tokens}, ${accuracy}`);
});

test("a judge behind a server scores answers, and its tokens are counted", async () => {
  const server = await startServer({
    answer: (question) => (/is (\d+) coins/.test(question) ? "Yes" : "No, not yet."),
    model: "judge",
  });
  try {
    const output = join(scratch(), "run");
    const judge = { type: "judge", teacher: { type: "openai", base_url: server.url } };
    const search = [{ type: "best_of_n", n: [2], by: ["majority", judge] }];
    const { code, err } = await distill(
      ...["eval", "--model", TEACHER, "--data", QUESTIONS, "--output", output, "prompts.limit=2", ...SHORT],
      ...["num_generations=1", `search=${JSON.stringify(search)}`],
    );
    assert.equal(code, 0, err);
    const [[plain, judged]] = Object.values(reportOf(output).curves) as [
      { label: string; points: { tokens: number }[] }[],
    ];
    assert.equal(judged!.label, "best of n by judge judge");
    assert.ok(judged!.points[0]!.tokens > plain!.points[0]!.tokens);
    assert.ok(server.asked.some(({ question }) => question.includes("Is this solution correct so far?")));
  } finally {
    await server.close();
  }
});

test("a model behind a server is measured by its address; it cannot go on with beginnings", async () => {
  const server = await startServer({ model: "adds" });
  const folder = scratch();
  const data = join(folder, "sums.jsonl");
  writeFileSync(
    data,
    '{"question": "2 and 3?", "answer": "so\\n#### 5"}\n{"question": "4 and 5?", "answer": "so\\n#### 9"}\n',
  );
  try {
    const args = ["eval", "--model", `${server.url}#adds`, "--preset", "gsm8k", "--data", data];
    const { code, err } = await distill(...args, "--output", join(folder, "run"));
    assert.equal(code, 0, err);
    const [model] = reportOf(join(folder, "run"), "gsm8k").models;
    assert.deepEqual([model.name, model.problems, model.k], ["adds", 2, 1]);
    const beams = await distill(...args, "--output", join(folder, "beams"), "search=[{type: beam}]");
    assert.equal(beams.code, 1);
    assert.match(beams.err, /adds is given messages, so nothing that it has begun can be gone on with/);
  } finally {
    await server.close();
  }
});

test("benchmarks and models are fetched from the hub by their names there, in one command", async () => {
  const hub = await startHub();
  hub.commit("some/stories", { "stories-q8_0.gguf": readFileSync(TEACHER) });
  const maths = {
    problem: "What is $1+1$?",
    solution: "$\\boxed{2}$",
    answer: "2",
    subject: "Algebra",
    level: 1,
    unique_id: "test/1",
  };
  hub.commit("datasets/HuggingFaceH4/MATH-500", { "test.jsonl": `${JSON.stringify(maths)}\n` });
  const wrong = [1, 2, 3].map((i) => `Incorrect Answer ${i}`);
  const csv = `Record ID,Question,Correct Answer,${wrong.join(",")}\nr1,"Which, of these?",a,b,c,d\n`;
  hub.commit("datasets/Idavidrein/gpqa", { "gpqa_diamond.csv": csv });
  const live = (id: string) => ({
    question_id: id,
    question_content: "Print 1.",
    public_test_cases: JSON.stringify([{ input: "", output: "1", testtype: "stdin" }]),
  });
  const files = Object.fromEntries([4, 5].map((i) => [`test${i}.jsonl`, `${JSON.stringify(live(`q${i}`))}\n`]));
  hub.commit("datasets/livecodebench/code_generation_lite", files);
  const folder = scratch();
  const output = join(folder, "run");
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(folder, "cache"), HF_TOKEN: "", HF_HUB_OFFLINE: "" };
  const names = ["math_500", "gpqa_diamond", "livecodebench"];
  const { code, err } = await withEnvironment(env, () =>
    distill(
      ...["eval", "--model", "hf:some/stories:stories-q8_0.gguf", "--output", output],
      ...names.flatMap((name) => ["--preset", name]),
      ...["num_generations=1", ...SHORT, "max_completion_length=8"],
    ),
  );
  assert.equal(code, 0, err);
  const found = names.map((name) => reportOf(output, name).models[0]);
  assert.deepEqual(
    found.map(({ problems, versions }) => [problems, versions.grader.split(" ")[0]]),
    [
      [1, "accuracy"],
      [1, "multiple_choice"],
      [2, "code"],
    ],
  );
  const [asked] = [...readTraces(join(output, "evaluation/math_500/traces", found[0].name))];
  assert.deepEqual([asked!.prompt_id, asked!.temperature, asked!.top_p], ["test/1", 0.6, 0.95]);
  const { recipe } = JSON.parse(readFileSync(join(output, "manifest.json"), "utf8"));
  assert.match(
    recipe.evaluation[2].prompts.path[1],
    /^hf:datasets\/livecodebench\/code_generation_lite@[0-9a-f]{40}:test5\.jsonl$/,
  );
});

test("several measurements of a recipe are stages of their own, and a rule of correctness is one's own", async () => {
  const prompts = { generate: { type: "arithmetic" }, rows: 3, seed: 1 };
  const common = { prompts, num_generations: 2, temperature: 1, max_completion_length: 8, models: ["student"] };
  const changes = (also: object) => ({
    trainer: { max_length: 128, max_steps: 1 },
    evaluation: [
      { name: "plain", ...common },
      { name: "exact", ...common, correctness: { type: "exact_match" }, ...also },
    ],
  });
  const { path, output } = recipe(changes({}));
  const { code, err, out } = await distill("run", path);
  assert.equal(code, 0, err);
  assert.match(out, /evaluate\.plain: not run yet[\s\S]*evaluate\.exact: not run yet/);
  assert.match(reportOf(output, "exact").models[0].versions.grader, /^exact_match/);
  assert.match(readFileSync(join(output, "evaluation/report.md"), "utf8"), /## plain[\s\S]*## exact/);
  const again = await distill("eval", path, "evaluation.1.num_generations=1");
  assert.match(
    again.out,
    /evaluate\.plain: up to date[\s\S]*evaluate\.exact: evaluation\.num_generations changed from 2 to 1/,
  );
  const same = await distill("eval", path, "evaluation.1.num_generations=1");
  assert.match(same.out, /Everything was up to date/);
});

test("what is wrong is one sentence: columns, references, names, addresses", async () => {
  const folder = scratch();
  const file = (name: string, rows: string) => {
    writeFileSync(join(folder, name), rows);
    return join(folder, name);
  };
  const frage = file("frage.jsonl", '{"frage": "2 + 2?", "loesung": "4"}\n');
  const plain = file("plain.jsonl", '{"prompt": "2 + 2?", "answer": "4"}\n');
  const bare = file("bare.jsonl", '{"prompt": "2 + 2?"}\n');
  const refused = async (words: RegExp, ...args: string[]) => {
    const { code, err } = await distill("eval", ...args, "--output", join(folder, "run"));
    assert.equal(code, 1);
    assert.match(err, words);
    assert.equal(
      err
        .trim()
        .split("\n")
        .filter((line) => line.startsWith("Error: ")).length,
      1,
      err,
    );
  };
  const model = ["--model", TEACHER];
  await refused(
    /frage\.jsonl, line 1 has frage, loesung\. Expected "question" or "prompt", as rows of the form gsm8k have/,
    ...model,
    "--preset",
    "gsm8k",
    "--data",
    frage,
  );
  await refused(/1 of 1 prompts of .*bare\.jsonl have no answer/, ...model, "--data", bare);
  await refused(
    /cannot be measured: the rule code cannot judge 1 of 1 problems.*the answer holds no stdin_tests/,
    ...model,
    "--data",
    plain,
    "correctness={type: code}",
  );
  await refused(
    /the reference is no letter from A to J/,
    ...model,
    "--data",
    plain,
    "correctness={type: multiple_choice}",
  );
  const eight = ["max_completion_length=8", "num_generations=2"];
  await refused(
    /pass_at asks for pass@8, and num_generations is 2/,
    ...model,
    "--data",
    plain,
    "pass_at=[8]",
    ...eight,
  );
  await refused(
    /the rule format judged none of its 2 answers/,
    ...[...model, "--data", plain, "correctness={type: format}", ...eight],
  );
  await refused(/There is no preset "gsm"/, ...model, "--preset", "gsm", "--data", plain);
  await refused(/There is no model nothing\.gguf/, "--model", "nothing.gguf", "--preset", "gsm8k");
  await refused(/Nothing says what is asked/, ...model);
  await refused(
    /unknown key "num_generation" \(did you mean "num_generations"\?\)/,
    ...model,
    "--data",
    plain,
    "num_generation=2",
  );
  await refused(/would run with your rights/, ...model, "--data", plain, "correctness={type: module, path: rule.js}");
  await refused(
    /4 beams cannot be shared among ways of 3 each/,
    ...model,
    "--data",
    plain,
    "num_generations=1",
    "max_completion_length=8",
    "search=[{type: beam, n: [4], beam_width: 3}]",
  );
  const { err } = await distill("eval", "--preset", "gsm8k");
  assert.match(err, /--preset goes with --model/);
  assert.match((await distill("compare", folder, folder)).err, /is no folder of a run: it has no manifest\.json/);
  assert.match((await distill("compare", folder)).err, /One run is nothing to compare/);
});
