import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { textOf } from "../../src/data/journal-rows.ts";
import { readLedger } from "../../src/data/ledger.ts";
import { readTraces } from "../../src/data/traces.ts";
import { startBatchServer } from "../support/batch-server.ts";
import { distill, withEnvironment } from "../support/cli.ts";
import { storiesRecipe } from "../support/recipes.ts";
import { answerOf, type ServerOptions, startServer, type TestServer } from "../support/server.ts";

const PROMPTS = Array.from({ length: 20 }, (_, i) => ({
  id: `p${i}`,
  prompt: `${i} and ${i + 1}`,
  answer: `${2 * i + 1}`,
}));

type Keys = Record<string, Record<string, unknown> | undefined>;

/** A recipe that samples from a server, and what is told to `then` about it. */
async function withServer(
  options: ServerOptions,
  { teacher, sampling, ...keys }: Keys,
  then: (at: { path: string; output: string; server: TestServer }) => Promise<void>,
): Promise<void> {
  const server = await startServer(options);
  const { path, output, folder } = storiesRecipe({
    teacher: { type: "openai", base_url: server.url, patience: 2, probe: false, ...teacher },
    sampling: { prompts: { path: "prompts.jsonl" }, num_generations: 4, max_completion_length: 64, ...sampling },
    rewards: [{ type: "accuracy" }],
    ...keys,
  });
  writeFileSync(join(folder, "prompts.jsonl"), PROMPTS.map((one) => `${JSON.stringify(one)}\n`).join(""));
  try {
    await then({ path, output, server });
  } finally {
    await server.close();
  }
}

const refused = async (options: ServerOptions, keys: Keys, said: RegExp, env: Record<string, string> = {}) =>
  withServer(options, keys, async ({ path, server }) => {
    const { code, err } = await withEnvironment(env, () => distill("sample", path));
    assert.equal(code, 1, err);
    assert.match(err, said);
    assert.doesNotMatch(err, /^\s+at /m);
    assert.ok(server.counts.posts <= 3, `${server.counts.posts} requests were made`);
  });

test("sampling from a server keeps where each answer came from, and says what was spent and foreseen", () =>
  withServer({}, { teacher: { price: { input: 1, output: 2, currency: "EUR" } } }, async ({ path, output, server }) => {
    const { code, out, err } = await distill("sample", path);
    assert.equal(code, 0, err);
    assert.match(
      out,
      /^80 answers: 240 prompt tokens and 720 completion tokens, 0\.00168 EUR \(price of the recipe\)\.$/m,
    );
    assert.match(out, /^Foreseen after 32 answers: 80 requests, 240 and 720 tokens, 0\.00168 EUR\.$/m);
    const traces = [...readTraces(join(output, "traces"))];
    assert.equal(traces.length, 80);
    for (const { served, teacher, completion, prompt, seed, reasoning } of traces) {
      assert.equal(completion, answerOf(prompt, seed));
      assert.match(reasoning!, /\+/);
      assert.equal(teacher, "test-model");
      const { endpoint, model, request_id, completion_tokens, attempt, latency_s, cost, reasoning: place } = served!;
      assert.deepEqual(
        [endpoint, model, completion_tokens, attempt, place],
        [server.url, "test-model", 9, 1, "inline"],
      );
      assert.match(request_id!, /^answer-\d+$/);
      assert.ok(latency_s > 0 && Math.abs(cost! - 21e-6) < 1e-12);
    }
    const again = await distill("sample", path);
    assert.match(again.out, /Everything was up to date/);
    assert.equal(server.counts.posts, 80);
    // other rules judge what is there
    const other = await distill("sample", path, "rewards=[{type: accuracy, profile: lenient}]");
    assert.equal(other.code, 0, other.err);
    assert.equal(server.counts.posts, 80);
  }));

test("a key is sent, and stands nowhere else: not where a server repeats it, not in what is said or written", () =>
  withServer(
    {
      key: "sk-very/secret+key",
      manners: ({ number, headers }) => {
        const said = `your key is ${headers.authorization!.slice(7)}`;
        if (number % 4 === 1) return { status: 400, body: JSON.stringify({ error: { message: said } }) };
        if (number % 4 === 2) return { content: `<think>${said}</think>${said}` };
        return number % 4 === 3 ? { status: 500, body: `<html>${said}</html>` } : undefined;
      },
    },
    { teacher: { api_key_env: "TEST_KEY", headers: { "x-team": "a", "x-secret": { env: "TEST_SECRET" } } } },
    async ({ path, output, server }) => {
      const env = { TEST_KEY: "sk-very/secret+key", TEST_SECRET: "hidden-in-a-header" };
      const { code, out, err } = await withEnvironment(env, () => distill("sample", path));
      assert.equal(code, 0, err);
      assert.equal(server.asked[0]!.headers["x-secret"], "hidden-in-a-header");
      assert.match(err, /your key is \[key\]/);
      const hidden = /very.{0,3}secret|hidden-in-a-header/;
      assert.ok(!hidden.test(out + err));
      let files = 0;
      for (const file of readdirSync(output, { recursive: true }) as string[]) {
        if (!statSync(join(output, file)).isFile()) continue;
        files++;
        assert.ok(!hidden.test(readFileSync(join(output, file), "latin1")), file);
      }
      assert.ok(files > 8);
      const [key] = readdirSync(join(output, "journal"));
      let bodies = 0;
      for (const { table } of readLedger(join(output, "journal", key!)))
        for (const body of table.getChild("body")!)
          if (body) {
            assert.ok(!hidden.test(textOf(body)));
            bodies++;
          }
      assert.ok(bodies > 60, `${bodies}`);
      // and where the key is another one
      const wrong = await withEnvironment({ ...env, TEST_KEY: "sk-another/secret" }, () =>
        distill("sample", path, "sampling.seed=2"),
      );
      assert.equal(wrong.code, 1);
      assert.match(wrong.err, /refuses the key \(401: Incorrect API key provided: \[key\]\)\. Look at api_key_env/);
    },
  ));

test("refused in a sentence: what a recipe says of a server and cannot be", async () => {
  const noKey = { TEST_KEY: "" };
  await refused(
    {},
    { teacher: { api_key_env: "TEST_KEY" } },
    /The environment has no TEST_KEY.*export TEST_KEY=/,
    noKey,
  );
  await refused(
    {},
    { teacher: { api_key_env: "sk-abc-123" } },
    /expected the name of an environment variable, not a key/,
  );
  await refused(
    {},
    { teacher: { headers: { Authorization: "Bearer x" } } },
    /no secret may stand in it.*Authorization: \{ env: NAME \}/,
  );
  await refused({}, { teacher: { base_url: "localhost:8000" } }, /is no address of a server/);
  await refused({}, { teacher: { base_url: "http://me:pw@localhost/v1" } }, /a name and a password do not belong/);
  await refused({}, { teacher: { base_url: "http://localhost/v1?api_key=x" } }, /parameter api_key is a secret/);
  await refused(
    {},
    { teacher: { base_url: "http://127.0.0.1:9/v1" } },
    /does not answer \(no connection.*Is the server started/,
  );
  await refused({}, { teacher: { model: "another" } }, /has no model "another"\. It has test-model\. Name one of them/);
  await refused({}, { teacher: { price: { input: 1, output: 1 } } }, /a price needs its currency, such as USD/);
  await refused({}, { teacher: { endpoint: "completions" } }, /does not say how: give teacher\.tokenizer/);
  await refused(
    {},
    { sampling: { budget: { completion_tokens: 10 } } },
    /Nothing can be drawn: the budget of 10 completion tokens has 10 tokens left, and one more request may take 64\. Raise sampling\.budget/,
  );
  await refused({}, { sampling: { budget: { money: 1 } } }, /nobody knows what test-model costs/);
  await refused({}, { sampling: { budget: { dollars: 1 } } }, /unknown key "dollars"/);
  await refused({}, { sampling: { give_up: { after: 4 } } }, /give_up\.below/);
  const two = { data: ["a", "b"].map((id) => ({ id })) };
  await refused({ paths: { "/v1/models": two } }, {}, /names no model, and .* has 2: a, b\. Name one/);
  await refused({ paths: { "/v1/models": "<html>a page</html>" } }, {}, /is no list of models. Expected the address/);
});

test("batches are asked of a teacher, in a sentence", async () => {
  for (const asked of [["--batch"], ["--batch-files", "files"]]) {
    const { code, err } = await distill("sample", "recipes/arithmetic.yaml", "teacher=null", ...asked);
    assert.equal(code, 1);
    assert.match(err, /arithmetic\.yaml has no teacher, and batches are asked of one behind a server/);
  }
});

test("an address is found with and without /v1, and with the path of chat behind it", async () => {
  for (const end of ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
    await withServer({}, { sampling: { num_generations: 1 } }, async ({ path, server }) => {
      const { code, err } = await distill("sample", path, `teacher.base_url=${server.url}${end}`);
      assert.equal(code, 0, `${end}: ${err}`);
      assert.equal(server.counts.posts, 20);
    });
  // and a server that has no list of models is asked all the same
  await withServer(
    { paths: { "/v1/models": undefined } },
    { teacher: { model: "test-model" } },
    async ({ path, server }) => {
      const { code, err } = await distill("sample", path, `teacher.base_url=${server.url}/v1`);
      assert.equal(code, 0, err);
      assert.equal(server.counts.posts, 80);
    },
  );
});

test("what a server ignores is said before the first request", async () => {
  const probe = { teacher: { probe: true }, sampling: { num_generations: 1 } };
  let count = 0;
  await withServer({ answer: () => `word ${count++}` }, probe, async ({ path }) =>
    assert.match(
      (await distill("sample", path)).err,
      /ignores the seed: the same request draws another answer each time/,
    ),
  );
  await withServer({ answer: () => "the same" }, probe, async ({ path, server }) => {
    assert.match((await distill("sample", path)).err, /answers other seeds alike: it may ignore temperature and seed/);
    assert.equal(server.counts.posts, 23);
    await distill("sample", path, "sampling.prompts.limit=19");
    assert.equal(server.counts.posts, 23); // nothing to ask, so nothing is tried
  });
  await withServer({ answer: (_, seed) => `word ${seed}` }, probe, async ({ path }) =>
    assert.doesNotMatch((await distill("sample", path)).err, /seed/),
  );
  await refused(
    { model: "cheap", paths: { "/v1/models": undefined } },
    { teacher: { probe: true, model: "dear" } },
    /gave an answer of the model "cheap" where "dear" was asked\. Name the model.*teacher\.answers_as/,
  );
  await withServer(
    { model: "cheap", paths: { "/v1/models": undefined } },
    { teacher: { probe: true, model: "dear", answers_as: ["cheap"] } },
    async ({ path }) => assert.equal((await distill("sample", path)).code, 0),
  );
  await refused(
    {},
    { teacher: { probe: true }, sampling: { top_logprobs: 3 } },
    /gives no ids with log-probabilities of the 3 most likely tokens/,
  );
});

test("a prompt is asked no more once it has what is wanted of it, or is all but certainly hopeless", async () => {
  // even numbers are solved every time, those that end with 3 never, others by one seed of four
  const answer = (question: string, seed: number) => {
    const n = Number.parseInt(question, 10);
    const right = n % 2 === 0 || (n % 10 !== 3 && seed % 4 === 0);
    return `<think>x</think>\n\nThe answer is \\boxed{${right ? 2 * n + 1 : 0}}.`;
  };
  const sampling = { num_generations: 16, max_accepted: 2, give_up: { after: 4, below: 0.5 } };
  await withServer({ answer }, { sampling }, async ({ path, output, server }) => {
    const { code, err } = await distill("sample", path);
    assert.equal(code, 0, err);
    const drawn = new Map<string, boolean[]>();
    for (const { prompt_id, accepted } of readTraces(join(output, "traces")))
      drawn.set(prompt_id, [...(drawn.get(prompt_id) ?? []), accepted]);
    for (const [id, accepted] of drawn) {
      const right = accepted.filter(Boolean).length;
      const n = Number(id.slice(1));
      if (n % 2 === 0) assert.equal(accepted.length, 2);
      // 0 of 5 speak against a rate of a half, at 95 %
      if (n % 10 === 3) assert.equal(accepted.length, 5);
      assert.ok(right <= 2);
    }
    assert.equal(server.counts.posts, [...drawn.values()].flat().length);
    // without a limit all of it is drawn, and what is there is used
    const posts = server.counts.posts;
    await distill("sample", path, "sampling.give_up=null", "sampling.max_accepted=null", "sampling.num_generations=2");
    assert.equal(server.counts.posts, posts);
  });
});

test("within a budget the most uncertain prompts come first, and the same answers lead to the same requests", async () => {
  const sampling = { num_generations: 8, max_accepted: 2, budget: { completion_tokens: 400 } };
  const runs: string[][] = [];
  for (const max_concurrency of [1, 4, 16])
    await withServer(
      { manners: ({ number }) => ({ wait: (number * 7) % 5 }) },
      { sampling, teacher: { max_concurrency } },
      async ({ path, output }) => {
        const { code, out, err } = await distill("sample", path);
        assert.equal(code, 0, err);
        assert.match(out, /Less was drawn than is asked for: the budget of 400 completion tokens has \d+ tokens left/);
        const traces = [...readTraces(join(output, "traces"))];
        runs.push(traces.map(({ prompt_id, sample }) => `${prompt_id} ${sample}`).sort());
      },
    );
  assert.ok(runs[0]!.length > 30);
  assert.deepEqual(runs[1], runs[0]);
  assert.deepEqual(runs[2], runs[0]);
});

test("a budget that is raised is gone on with, and counts what was used before", () =>
  withServer({}, { sampling: { budget: { completion_tokens: 300 } } }, async ({ path, output, server }) => {
    assert.equal((await distill("sample", path)).code, 0);
    const first = server.counts.posts;
    assert.ok(first >= 26 && first <= 33, `${first}`);
    assert.equal((await distill("sample", path, "sampling.budget.completion_tokens=500")).code, 0);
    assert.ok(server.counts.posts * 9 <= 500 && server.counts.posts > first);
    assert.equal([...readTraces(join(output, "traces"))].length, server.counts.posts);
  }));

test("a plan measures a few answers, which the run then has, and foresees tokens and money", () =>
  withServer(
    {},
    { teacher: { price: { input: 1, output: 2, currency: "EUR", as_of: "2026-11-01" } } },
    async ({ path, server }) => {
      const before = await distill("plan", path);
      assert.match(
        before.out,
        /Sampling: 20 prompts, at most 80 completions[\s\S]*nothing yet.*distill plan --measure 32/,
      );
      assert.equal(server.counts.posts, 0);
      const planned = await distill("plan", path, "--measure", "8");
      assert.equal(planned.code, 0, planned.err);
      assert.match(
        planned.out,
        /Foreseen: about 80 requests, 240 prompt tokens and 720 completion tokens, 0\.00168 EUR at the price of the recipe, as of 2026-11-01; from 8 answers\./,
      );
      assert.equal(server.counts.posts, 8);
      assert.equal((await distill("sample", path)).code, 0);
      assert.equal(server.counts.posts, 80);
    },
  ));

test("the same is asked in a batch, or by files that others answer", async () => {
  const server = await startBatchServer();
  await withServer(
    {},
    { teacher: { base_url: server.url }, sampling: { num_generations: 2 } },
    async ({ path, output }) => {
      const batch = await distill("sample", path, "--batch", "teacher.batch.poll=0.02");
      assert.equal(batch.code, 0, batch.err);
      assert.match(batch.err, /Batch batch-0: 40 requests submitted.*\n.*completed, 40 of 40 done/s);
      assert.equal([...readTraces(join(output, "traces"))].length, 40);
      const files = join(output, "../files");
      const more = [path, "--batch-files", files, "sampling.num_generations=3"];
      const waits = await distill("sample", ...more);
      assert.equal(waits.code, 1);
      assert.match(waits.err, /20 requests wait in .*files to be answered/);
      const refusal = await distill("sample", path, "sampling.num_generations=3");
      assert.match(refusal.err, /20 requests of this run are on their way in batches/);
      const [name] = readdirSync(files);
      const lines = readFileSync(join(files, name!), "utf8").trimEnd().split("\n");
      const answers = lines.map((line) => {
        const { custom_id, body } = JSON.parse(line);
        const message = { content: answerOf(body.messages[0].content, body.seed) };
        const answer = {
          model: "m",
          choices: [{ index: 0, finish_reason: "stop", message }],
          usage: { prompt_tokens: 3, completion_tokens: 9 },
        };
        return JSON.stringify({ custom_id, response: { status_code: 200, body: answer } });
      });
      writeFileSync(join(files, "out.jsonl"), answers.join("\n"));
      const read = await distill("sample", ...more);
      assert.equal(read.code, 0, read.err);
      assert.equal([...readTraces(join(output, "traces"))].length, 60);
    },
  );
  await server.close();
});

test("a server is measured beside the models of the run", () =>
  withServer(
    {},
    {
      trainer: { max_steps: 1, max_length: 256 },
      evaluation: {
        prompts: { path: "prompts.jsonl" },
        num_generations: 4,
        max_completion_length: 64,
        models: ["teacher", { name: "other", type: "openai", base_url: "http://127.0.0.1:1", probe: false }] as unknown,
      } as Record<string, unknown>,
    },
    async ({ path, output, server }) => {
      const other = `evaluation.models=[teacher, {name: other, type: openai, base_url: "${server.url}", probe: false, chat_template: plain}]`;
      const { code, err, out } = await distill("eval", path, other);
      assert.equal(code, 0, err);
      const { models } = JSON.parse(readFileSync(join(output, "evaluation/report.json"), "utf8"));
      assert.deepEqual(
        models.map(({ name }: { name: string }) => name),
        ["teacher", "other"],
      );
      for (const { pass_at_1, mean_tokens } of models) {
        assert.ok(pass_at_1 > 0.5 && pass_at_1 < 1, `${pass_at_1}`);
        assert.equal(mean_tokens, 9);
      }
      assert.match(out, /other +\d+\.\d %/);
    },
  ));
