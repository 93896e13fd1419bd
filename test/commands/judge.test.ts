import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { readTables, type Table } from "../../src/data/tables.ts";
import { readTraces, type Trace } from "../../src/data/traces.ts";
import { distill, startDistill, withEnvironment } from "../support/cli.ts";
import { startHub } from "../support/hub.ts";
import { MODELS, STORIES_TEACHER, storiesRecipe } from "../support/recipes.ts";
import { type Asked, answerOf, type Manners, startServer, type TestServer } from "../support/server.ts";
import { scratch } from "../support/students.ts";

const PROMPTS = Array.from({ length: 12 }, (_, i) => ({
  id: `p${i}`,
  prompt: `${i} and ${i + 1}`,
  answer: `${2 * i + 1}`,
}));

const isJudged = (question: string) => question.includes("Reference:");

/** Solves sums; asked to compare, it says yes where the reference is below 13, and after it nothing that can be read. */
function answer(question: string, seed: number): string {
  if (!isJudged(question)) return answerOf(question, seed);
  const reference = Number(/Reference:\n(\d+)/.exec(question)![1]);
  return reference < 13 ? "<think>hm</think>They agree.\n\nYes." : reference < 19 ? "Not at all.\nno" : "I cannot say";
}

const judgedPosts = ({ asked }: TestServer) => asked.filter(({ question }) => isJudged(question)).length;
const accuracy = (url: string, judge: object = {}) => [
  { type: "accuracy", judge: { teacher: { type: "openai", base_url: url, patience: 2, probe: false }, ...judge } },
];

type At = { path: string; output: string; folder: string; server: TestServer; rewards(judge?: object): string };

async function withServer(
  manners: ((asked: Asked) => Manners | undefined) | undefined,
  { judge, ...keys }: { judge?: object; [key: string]: unknown },
  then: (at: At) => Promise<void>,
  key?: string,
): Promise<void> {
  const server = await startServer({ answer, ...(manners ? { manners } : {}), ...(key ? { key } : {}) });
  const { path, output, folder } = storiesRecipe({
    teacher: { type: "openai", base_url: server.url, patience: 2, probe: false },
    sampling: { prompts: { path: "prompts.jsonl" }, num_generations: 4, max_completion_length: 64 },
    rewards: accuracy(server.url, judge),
    ...keys,
  });
  writeFileSync(join(folder, "prompts.jsonl"), PROMPTS.map((one) => `${JSON.stringify(one)}\n`).join(""));
  const rewards = (judge: object = {}) => `rewards=${JSON.stringify(accuracy(server.url, judge))}`;
  try {
    await then({ path, output, folder, server, rewards });
  } finally {
    await server.close();
  }
}

const tracesOf = (output: string): Trace[] => [...readTraces(join(output, "traces"))];

/** Different answers that the rule does not find right: what a judge is asked, and no more than that. */
const questions = (traces: readonly Trace[]) =>
  new Set(
    traces.filter(({ verdict }) => verdict !== "correct").map(({ prompt, completion }) => `${prompt} ${completion}`),
  ).size;

test("a judge is asked where the rule says no, its verdicts have columns of their own, and no answer is asked for twice", () =>
  withServer(undefined, {}, async ({ path, output, server, rewards }) => {
    const first = await distill("sample", path);
    assert.equal(first.code, 0, first.err);
    assert.match(first.out, /^The judge: \d+ answers: /m);
    const traces = tracesOf(output);
    assert.equal(traces.length, 48);
    const wrong = traces.filter(({ verdict }) => verdict === "incorrect");
    assert.ok(wrong.length >= 8);
    for (const { verdict, judge_verdict, judge_model, judge_reason, accepted, answer, rewards, reason } of traces) {
      const reference = Number(answer);
      const said = reference < 13 ? "correct" : reference < 19 ? "incorrect" : "unknown";
      assert.equal(judge_verdict, verdict === "correct" ? null : said);
      assert.equal(judge_model, verdict === "correct" ? null : "test-model");
      assert.equal(accepted, verdict === "correct" || said === "correct");
      assert.equal(rewards.accuracy, Number(verdict === "correct"));
      assert.equal(
        rewards.accuracy_judge,
        verdict === "correct" || said === "unknown" ? null : Number(said === "correct"),
      );
      if (said === "unknown" && verdict !== "correct")
        assert.match(judge_reason!, /its last line is neither yes nor no: "I cannot say"/);
      if (verdict !== "correct") assert.match(reason, /^accuracy: .*; the judge test-model: /);
    }
    assert.equal(judgedPosts(server), questions(traces));
    const question = server.asked.find(({ question }) => isJudged(question))!.question;
    assert.doesNotMatch(question, /think|ground/);
    const posts = server.counts.posts;

    // nothing is due, and what asks nobody anything else asks nobody
    assert.match((await distill("sample", path)).out, /Everything was up to date/);
    for (const same of [{ budget: { total_tokens: 1e6 } }, { when: ["incorrect"] }]) {
      const again = await distill("sample", path, rewards(same));
      assert.equal(again.code, 0, again.err);
      assert.equal(server.counts.posts, posts, JSON.stringify(same));
    }
    // another question is asked again, and nothing is sampled
    const other = await distill("sample", path, rewards({ prompt: "Reference:\n{reference}\nSame as {completion}?" }));
    assert.equal(other.code, 0, other.err);
    assert.equal(judgedPosts(server), 2 * questions(traces));
    assert.equal(server.counts.posts, posts + questions(traces));
    assert.deepEqual(
      tracesOf(output).map(({ verdict, judge_verdict }) => [verdict, judge_verdict]),
      traces.map(({ verdict, judge_verdict }) => [verdict, judge_verdict]),
    );
    // the words of the answer are read anew, and the answers are there
    const words = await distill("sample", path, rewards({ reject_word: "I cannot say" }));
    assert.equal(words.code, 0, words.err);
    assert.equal(server.counts.posts, posts + questions(traces));
    assert.ok(
      tracesOf(output).some(({ answer, judge_verdict }) => Number(answer) >= 19 && judge_verdict === "incorrect"),
    );
    const without = await distill("sample", path, "rewards=[{type: accuracy}]");
    assert.equal(without.code, 0, without.err);
    assert.ok(tracesOf(output).every((trace) => !("judge_verdict" in trace)));
  }));

test("a judge whose server refuses the key ends the run, and the same command continues without asking anything twice", () =>
  withServer(
    undefined,
    { judge: { teacher: { type: "openai", base_url: "http://127.0.0.1:1/v1", patience: 1, probe: false } } },
    async ({ path, output, server, rewards }) => {
      const down = await distill("sample", path);
      assert.equal(down.code, 1);
      assert.match(down.err, /127\.0\.0\.1:1/);
      assert.doesNotMatch(down.err, /^\s+at /m);
      assert.match(down.err, /Answers that are under way, and paid for, are waited for\./);
      const sampled = server.counts.posts;
      assert.ok(sampled > 0 && server.counts.whole === sampled);
      const then = await distill("sample", path, rewards());
      assert.equal(then.code, 0, then.err);
      const traces = tracesOf(output);
      assert.equal(server.counts.posts, 48 + questions(traces));
      for (const count of server.counts.byQuestion.values()) assert.equal(count, 1);
    },
  ));

test("a server that misbehaves is asked again, and what it never answers is an error of the judge and no verdict on the row", () =>
  withServer(
    ({ question, again, number }) => {
      if (!isJudged(question)) return undefined;
      if (/Reference:\n3\n/.test(question)) return { finish_reason: "content_filter" };
      if (again === 0 && number % 3 === 0) return { status: 500 };
      if (again === 0 && number % 3 === 1) return { end: "cut" };
      return undefined;
    },
    {},
    async ({ path, output }) => {
      const { code, err } = await distill("sample", path);
      assert.equal(code, 0, err);
      const wrong = tracesOf(output).filter(({ verdict }) => verdict === "incorrect");
      for (const { answer, judge_verdict, judge_reason, accepted, rewards, reward, verdict } of wrong)
        if (answer === "3") {
          assert.deepEqual(
            [verdict, judge_verdict, accepted, rewards.accuracy, rewards.accuracy_judge, reward],
            ["incorrect", "infra_error", false, 0, null, null],
          );
          assert.match(judge_reason!, /content_filter/);
        } else assert.notEqual(judge_verdict, "infra_error", judge_reason!);
      assert.ok(wrong.some(({ answer }) => answer === "3"));
    },
  ));

test("a judge's budget stops the judging with a sentence, and a higher one goes on where it stopped", () =>
  withServer(
    undefined,
    { judge: { budget: { completion_tokens: 2060 } } },
    async ({ path, output, server, rewards }) => {
      const short = await distill("sample", path);
      assert.equal(short.code, 1);
      assert.match(
        short.err,
        /The judge of accuracy is asked nothing more: the budget of 2060 completion tokens has .* raise judge\.budget of that rule/,
      );
      const asked = judgedPosts(server);
      assert.ok(asked >= 1);
      const then = await distill("sample", path, rewards({ budget: { completion_tokens: 1e6 } }));
      assert.equal(then.code, 0, then.err);
      const traces = tracesOf(output);
      assert.ok(asked < questions(traces));
      assert.equal(judgedPosts(server), questions(traces));
      assert.equal(server.counts.posts, 48 + questions(traces));
    },
  ));

test("with a limit of accepted ones, what a judge accepts counts", () =>
  withServer(
    undefined,
    {
      sampling: { prompts: { path: "prompts.jsonl" }, num_generations: 8, max_accepted: 1, max_completion_length: 64 },
    },
    async ({ path, output }) => {
      const { code, err } = await distill("sample", path);
      assert.equal(code, 0, err);
      const traces = tracesOf(output);
      for (const { id, answer } of PROMPTS) {
        const of = traces.filter(({ prompt_id }) => prompt_id === id);
        assert.equal(of.filter(({ accepted }) => accepted).length, 1);
        if (Number(answer) < 13) assert.equal(of.length, 1);
      }
    },
  ));

const rowsOf = async (path: string) => {
  const tables: Table[] = [];
  for await (const table of readTables(path)) tables.push(table);
  return tables.flatMap((table) => JSON.parse(JSON.stringify(table.toArray())) as Record<string, unknown>[]);
};

test("a dataset is scored with a judge, whose answers are kept beside it", async () => {
  const server = await startServer({ answer, key: "secret" });
  try {
    const folder = scratch();
    const rows = Array.from({ length: 30 }, (_, i) => ({
      prompt: `${i}?`,
      answer: `${i}`,
      completion: `<think>so</think>\\boxed{${i % 2 === 0 ? i : i + 1}}`,
    }));
    const [dataset, rules, output] = ["rows.jsonl", "rules.yaml", "scored"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(dataset, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const write = (path: string, judge: object = {}) => {
      const [rule] = accuracy(server.url, judge);
      Object.assign(rule!.judge.teacher, { api_key_env: "JUDGE_KEY" });
      writeFileSync(path, stringify([rule]));
    };
    write(rules);
    const refused = await withEnvironment({ JUDGE_KEY: "wrong" }, () =>
      distill("score", dataset, "--rewards", rules, "--output", output),
    );
    assert.equal(refused.code, 1);
    assert.match(refused.err, /refuses the key|401/);
    const scored = () =>
      withEnvironment({ JUDGE_KEY: "secret" }, () => distill("score", dataset, "--rewards", rules, "--output", output));
    const { code, out, err } = await scored();
    assert.equal(code, 0, err);
    assert.match(
      out,
      /; 21 accepted\n {2}correct +15 .*\n {2}incorrect +15 .*\n {2}asked the judge: 6 correct, 3 incorrect, 6 unknown\nThe judge: 15 answers: /,
    );
    const found = await rowsOf(output);
    assert.deepEqual(
      found.map(({ verdict, judge_verdict }) => [verdict, judge_verdict]),
      rows.map((_, i) => {
        const said = i < 13 ? "correct" : i < 19 ? "incorrect" : "unknown";
        return i % 2 === 0 ? ["correct", null] : ["incorrect", said];
      }),
    );
    assert.equal(server.counts.posts, 15);

    // two sets of rules that ask the same judge ask it once; a row's verdict is compared as it counts
    const others = join(folder, "others.yaml");
    write(others, { when: ["unknown"] });
    const both = await withEnvironment({ JUDGE_KEY: "secret" }, () =>
      distill("score", dataset, "--rewards", rules, "--against", others),
    );
    assert.equal(both.code, 0, both.err);
    assert.match(both.out, /6 verdicts changed/);
    assert.equal(server.counts.posts, 15);

    // what an earlier judge said is no column of rules that have none
    writeFileSync(others, "[{ type: accuracy }]");
    const bare = join(folder, "bare");
    const without = await distill("score", output, "--rewards", others, "--output", bare);
    assert.equal(without.code, 0, without.err);
    assert.match(without.out, /6 verdicts changed/);
    assert.ok((await rowsOf(bare)).every((row) => !("judge_verdict" in row)));
    // rows go by what counts
    const kept = join(folder, "kept");
    const filtered = await distill("filter", output, "--output", kept, "--verdict", "correct");
    assert.equal(filtered.code, 0, filtered.err);
    assert.equal((await rowsOf(kept)).length, 21);
  } finally {
    await server.close();
  }
});

test("what a measurement counts as right is what its judge accepts, and its report says who judged", async () => {
  const server = await startServer({ answer });
  try {
    const folder = scratch();
    const data = join(folder, "data.jsonl");
    writeFileSync(data, PROMPTS.map((one) => `${JSON.stringify(one)}\n`).join(""));
    const measured = async (output: string, ...more: string[]) => {
      const { code, err } = await distill(
        "eval",
        "--model",
        server.url,
        "--data",
        data,
        "--output",
        join(folder, output),
        "num_generations=4",
        "temperature=1",
        "max_completion_length=64",
        ...more,
      );
      assert.equal(code, 0, err);
      return JSON.parse(readFileSync(join(folder, output, "evaluation/report.json"), "utf8")).models[0];
    };
    const alone = await measured("alone");
    const judged = await measured(
      "judged",
      `correctness=${JSON.stringify({ ...accuracy(server.url)[0], profile: "lenient" })}`,
    );
    assert.match(judged.versions.grader, /^accuracy \S+ with test-model as judge$/);
    const [name] = readdirSync(join(folder, "judged/evaluation/traces"));
    const traces = [...readTraces(join(folder, "judged/evaluation/traces", name!))];
    const right = traces.filter(({ verdict, judge_verdict }) => verdict === "correct" || judge_verdict === "correct");
    assert.equal(judged.pass_at_1, right.length / traces.length);
    assert.ok(judged.pass_at_1 > alone.pass_at_1);
    const posts = server.counts.posts;
    await measured("judged", `correctness=${JSON.stringify({ ...accuracy(server.url)[0], profile: "lenient" })}`);
    assert.equal(server.counts.posts, posts);
  } finally {
    await server.close();
  }
});

test("a GGUF file judges as well, and what it answered is not computed again", async () => {
  const folder = scratch();
  const [dataset, rules] = [join(folder, "rows.jsonl"), join(folder, "rules.yaml")];
  const rows = Array.from({ length: 6 }, (_, i) => ({
    prompt: "What is 1 + 1?",
    answer: "2",
    completion: `\\boxed{${2 + (i % 3)}}`,
  }));
  writeFileSync(dataset, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  writeFileSync(
    rules,
    stringify([
      {
        type: "accuracy",
        judge: {
          teacher: { ...STORIES_TEACHER, path: join(MODELS, "stories-teacher-q8_0.gguf") },
          prompt: "{reference} {completion}",
          max_completion_length: 16,
        },
      },
    ]),
  );
  const once = await distill("score", dataset, "--rewards", rules, "--output", join(folder, "once"));
  assert.equal(once.code, 0, once.err);
  assert.match(once.out, /asked the judge: 4 unknown/);
  const first = await rowsOf(join(folder, "once"));
  assert.equal(first[1]!.judge_model, "stories-teacher-q8_0.gguf");
  const twice = await distill("score", dataset, "--rewards", rules, "--output", join(folder, "twice"));
  assert.equal(twice.code, 0, twice.err);
  assert.deepEqual(await rowsOf(join(folder, "twice")), first);
});

test("a student is reinforced by what a judge accepts, and goes on with what it answered", () =>
  withServer(
    undefined,
    {
      teacher: undefined,
      sampling: undefined,
      trainer: {
        type: "grpo",
        prompts: { path: "prompts.jsonl" },
        prompts_per_step: 3,
        num_generations: 4,
        max_completion_length: 160,
        max_length: 320,
        max_steps: 2,
        logging_steps: 1,
        learning_rate: 1e-4,
        patience: 100,
      },
    },
    async ({ path, output, server }) => {
      const { code, err } = await distill("train", path);
      assert.equal(code, 0, err);
      const line = JSON.parse(readFileSync(join(output, "metrics.jsonl"), "utf8").split("\n")[0]!);
      assert.equal(typeof line["rewards/accuracy_judge"], "number");
      assert.ok(line.reward >= line["rewards/accuracy"]);
      assert.ok(judgedPosts(server) > 0);
      for (const count of server.counts.byQuestion.values()) assert.equal(count, 1);
    },
  ));

test("a run that is stopped or killed while a judge is asked goes on, and no answer that came is asked for again", () =>
  withServer(
    ({ question }) => (isJudged(question) ? { wait: 150 } : undefined),
    {},
    async ({ path, output, server }) => {
      const [rule] = accuracy(server.url);
      Object.assign(rule!.judge.teacher, { max_concurrency: 1 });
      const slow = `rewards=${JSON.stringify([rule])}`;
      for (const [signal, code] of [
        ["SIGINT", 130],
        ["SIGKILL", null],
      ] as const) {
        const before = judgedPosts(server);
        const { child, ended } = startDistill(["sample", path, slow]);
        while (judgedPosts(server) < before + 3 && child.exitCode === null)
          await new Promise((done) => setTimeout(done, 10));
        child.kill(signal);
        const said = await ended;
        assert.equal(said.code, code, said.err);
        assert.doesNotMatch(said.err, /^\s+at /m);
      }
      const { code, err } = await distill("sample", path, slow);
      assert.equal(code, 0, err);
      const traces = tracesOf(output);
      assert.equal(traces.length, 48);
      assert.ok(traces.every(({ judge_verdict, verdict }) => (judge_verdict === null) === (verdict === "correct")));
      const twice = [...server.counts.byQuestion.values()].filter((count) => count > 1).length;
      assert.ok(twice <= 1, `${twice} answers were asked for twice`); // the one that was under way when it was killed
    },
  ));

test("a judge from the hub is fetched, and known by its commit", async () => {
  const hub = await startHub();
  try {
    const file = readFileSync(join(MODELS, "stories-teacher-q8_0.gguf"));
    hub.commit("some/judge", { "judge.gguf": file });
    const folder = scratch();
    const [dataset, rules] = [join(folder, "rows.jsonl"), join(folder, "rules.yaml")];
    writeFileSync(dataset, `${JSON.stringify({ prompt: "?", answer: "2", completion: "\\boxed{3}" })}\n`);
    const teacher = { type: "llama_cpp", path: "hf:some/judge:judge.gguf", gpu: false, threads: 1, context_size: 512 };
    const judge = { teacher, prompt: "{reference} {completion}", max_completion_length: 16 };
    writeFileSync(rules, stringify([{ type: "accuracy", judge }]));
    const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(folder, "cache"), HF_TOKEN: "", HF_HUB_OFFLINE: "" };
    const scored = await withEnvironment(env, () => distill("score", dataset, "--rewards", rules));
    assert.equal(scored.code, 0, scored.err);
    assert.match(scored.out, /asked the judge: 1 unknown/);
    // and where it is not there, it is said before anything is judged
    writeFileSync(
      rules,
      stringify([{ type: "accuracy", judge: { ...judge, teacher: { ...teacher, path: "hf:no/judge:judge.gguf" } } }]),
    );
    const missing = await withEnvironment(env, () => distill("score", dataset, "--rewards", rules));
    assert.equal(missing.code, 1);
    assert.match(missing.err, /no\/judge/);
    // a recipe's is fetched with its teacher
    const small = storiesRecipe({
      teacher: STORIES_TEACHER,
      sampling: { prompts: { path: "prompts.jsonl" }, num_generations: 1, max_completion_length: 64 },
      rewards: [{ type: "accuracy", judge }],
    });
    writeFileSync(join(small.folder, "prompts.jsonl"), `${JSON.stringify(PROMPTS[0])}\n`);
    const sampled = await withEnvironment(env, () => distill("sample", small.path));
    assert.match(sampled.err, /^Error: No trace was accepted.*the judge judge\.gguf: /m);
    assert.match(readFileSync(join(small.output, "manifest.json"), "utf8"), /hf:some\/judge@[0-9a-f]+:judge\.gguf/);
  } finally {
    await hub.close();
  }
});
