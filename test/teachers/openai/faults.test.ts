import assert from "node:assert/strict";
import { test } from "node:test";
import { openJournal } from "../../../src/data/journal.ts";
import { waitOf } from "../../../src/teachers/openai/faults.ts";
import type { Manners, ServerOptions } from "../../support/server.ts";
import { askAll, openServer, QUICK, SAMPLING } from "../../support/servers.ts";

const RIGHT = /is \d+\.<\/think>\n\nThe answer is \\boxed\{\d+\}\.$/;

/** Misbehaves at every third request the first time that it is made. */
const once =
  (manners: Manners): NonNullable<ServerOptions["manners"]> =>
  ({ again, question }) =>
    again === 0 && /^[0369]/.test(question) ? manners : undefined;

const QUESTIONS = Array.from({ length: 30 }, (_, i) => `${i % 10} and ${i}`);
const BAD = 12; // of them begin with 0, 3, 6 or 9

/** Faults that are gone when the same is asked again: what they are, and whether the server did work for them. */
const PASSING: [what: string, manners: Manners, stream: boolean, outcome: string][] = [
  ["429 without a word", { status: 429 }, false, "refused"],
  ["429 with retry-after-ms", { status: 429, headers: { "retry-after-ms": "30" } }, false, "refused"],
  ["429 with retry-after in seconds", { status: 429, headers: { "retry-after": "0.05" } }, false, "refused"],
  [
    "429 with a reset as a duration",
    { status: 429, headers: { "x-ratelimit-reset-requests": "40ms" } },
    false,
    "refused",
  ],
  ["503 overloaded", { status: 503, body: '{"error":{"message":"overloaded"}}' }, false, "refused"],
  ["529", { status: 529 }, false, "refused"],
  ["503 while a model is loaded", { status: 503, body: '{"error":{"message":"Loading model"}}' }, false, "unsent"],
  ["500", { status: 500 }, false, "failed"],
  ["502 with a page", { status: 502, body: "<html><body>Bad Gateway</body></html>" }, false, "failed"],
  ["504", { status: 504 }, true, "failed"],
  ["a connection that is reset", { end: "reset" }, false, "failed"],
  ["a body that is cut", { end: "cut" }, false, "failed"],
  ["a stream that is cut inside an event", { end: "cut" }, true, "failed"],
  ["a stream that ends without [DONE]", { end: "no_done", finish_reason: null }, true, "failed"],
  ["a stream that stalls", { end: "stall" }, true, "failed"],
  ["an error in the stream after tokens", { error: { code: 500, message: "failed" } }, true, "failed"],
  ["a rate limit in the stream after tokens", { error: { code: 429, message: "slow down" } }, true, "failed"],
  ["200 with a page", { body: "<html>Welcome</html>" }, false, "lying"],
  ["200 without choices", { over: { choices: [] } }, false, "lying"],
  ["200 with an error", { over: { choices: [], error: { code: 429, message: "slow down" } } }, false, "refused"],
  ["200, empty, 0 tokens", { content: "", usage: { prompt_tokens: 3, completion_tokens: 0 } }, false, "lying"],
  [
    "200, empty, 0 tokens, in a stream",
    { content: "", usage: { prompt_tokens: 3, completion_tokens: 0 } },
    true,
    "lying",
  ],
  ["200 without a finish_reason", { finish_reason: null }, false, "lying"],
  [
    "two choices",
    { over: { choices: [0, 1].map((index) => ({ index, finish_reason: "stop", message: { content: "x" } })) } },
    false,
    "lying",
  ],
  ["another model's answer", { over: { model: "cheaper" } }, false, "lying"],
];

for (const [what, manners, stream, outcome] of PASSING)
  test(`nothing is lost or doubled by ${what}`, async () => {
    const { server, teacher, close } = await openServer({ manners: once(manners) }, { ...QUICK, stream });
    const journal = openJournal();
    const answers = await askAll(teacher, QUESTIONS, { journal });
    assert.equal(answers.size, QUESTIONS.length);
    for (const { generation, error } of answers.values()) assert.match(generation?.completion ?? error!, RIGHT);
    const ids = [...answers.keys()].map((i) => `q-${i}`);
    const ended = ids.reduce((sum, id) => sum + journal.ended(id, outcome as "failed"), 0);
    assert.equal(ended, BAD, `${ended} attempts ended as ${outcome}`);
    assert.equal(
      ids.reduce((sum, id) => sum + journal.ended(id, "complete"), 0),
      QUESTIONS.length,
    );
    for (const [question, count] of server.counts.byQuestion)
      assert.equal(count, 1, `${question} was answered ${count} times`);
    const { requests, maybe } = journal.spent();
    const free = outcome === "refused" || outcome === "unsent" ? BAD : 0;
    // what is no answer and says what it used is neither
    const told = outcome === "lying" && manners.body === undefined ? BAD : 0;
    assert.equal(requests + maybe.requests + free + told, server.counts.posts);
    if (outcome !== "lying") assert.equal(maybe.requests, server.counts.vain);
    assert.equal(server.counts.posts, QUESTIONS.length + BAD);
    await close();
  });

test("a fault that stays is a verdict on that row after a few attempts, and the others are answered", async () => {
  const kinds: [Manners, RegExp, number][] = [
    [
      { status: 400, body: '{"error":{"message":"too long"}}' },
      /^The server refuses the request \(400: too long\)\.$/,
      1,
    ],
    [{ status: 413 }, /refuses the request \(413/, 1],
    [{ status: 422, body: '{"detail":"no such field"}' }, /refuses the request \(422: no such field\)/, 1],
    [{ status: 400, body: '{"error":{"code":"content_filter","message":"filtered"}}' }, /400: filtered/, 1],
    [
      { status: 403, body: '{"error":{"message":"Your input was flagged by moderation"}}' },
      /403: Your input was flagged/,
      1,
    ],
    [{ finish_reason: "content_filter" }, /content_filter/, 1],
    [{ status: 500 }, /^The server gave no answer: 500: status 500, 3 times\.$/, 3],
    [{ over: { choices: [] } }, /200 without choices, 2 times/, 2],
    [{ content: "", usage: { prompt_tokens: 3, completion_tokens: 0 } }, /an empty answer of 0 tokens, 2 times/, 2],
  ];
  for (const [manners, said, attempts] of kinds) {
    const { server, teacher, close } = await openServer(
      { manners: ({ question }) => (question === "7 and 7" ? manners : undefined) },
      QUICK,
    );
    const journal = openJournal();
    const answers = await askAll(teacher, QUESTIONS, { journal });
    for (const [i, { generation, error }] of answers)
      if (i === 7) assert.match(error!, said);
      else assert.match(generation!.completion, RIGHT);
    assert.equal(server.asked.filter(({ question }) => question === "7 and 7").length, attempts);
    await close();
  }
});

test("a seed at which the server fails for ever is changed, and the trace says which one it was drawn with", async () => {
  const { server, teacher, close } = await openServer(
    { manners: ({ question, body }) => (question === "5 and 5" && body.seed === 5 ? { status: 500 } : undefined) },
    QUICK,
  );
  const answers = await askAll(teacher, QUESTIONS);
  const { generation, seed } = answers.get(5) as { generation: { completion: string }; seed: number };
  assert.match(generation.completion, RIGHT);
  const seeds = server.asked.filter(({ question }) => question === "5 and 5").map(({ body }) => body.seed);
  assert.deepEqual(seeds, [5, 5, seed]);
  assert.notEqual(seed, 5);
  await close();
});

test("no money and no key end the run with a sentence, what is under way is kept, and nothing more is sent", async () => {
  const kinds: [Manners, RegExp][] = [
    [{ status: 402 }, /answers nothing more: 402/],
    [
      { status: 429, body: '{"error":{"code":"insufficient_quota","message":"You exceeded your current quota"}}' },
      /current quota/,
    ],
    [{ status: 401 }, /refuses the key \(401/],
    [{ status: 308, headers: { location: "https://elsewhere/v1" } }, /sends on to https:\/\/elsewhere\/v1/],
  ];
  for (const [manners, said] of kinds) {
    const { server, teacher, close } = await openServer(
      { manners: ({ number }) => (number >= 10 ? manners : undefined) },
      { ...QUICK, max_concurrency: 4 },
    );
    const journal = openJournal();
    const answers = new Map<number, unknown>();
    await assert.rejects(askAll(teacher, QUESTIONS, { journal }, answers), { name: "DistillError", message: said });
    assert.equal(answers.size, 10);
    assert.equal(journal.spent().requests, 10);
    assert.ok(server.counts.posts <= 14, `${server.counts.posts} requests`);
    await close();
  }
});

test("a server whose answers are all none ends the run before much is spent", async () => {
  const { server, teacher, close } = await openServer(
    { manners: () => ({ body: "<html>hello</html>" }) },
    { ...QUICK, max_concurrency: 4 },
  );
  const answers = new Map<number, unknown>();
  const many = Array.from({ length: 500 }, (_, i) => `${i} and ${i}`);
  await assert.rejects(
    askAll(teacher, many, {}, answers),
    /gives no answers that can be used.*no JSON of a completion, 2 times/,
  );
  assert.equal(answers.size, 0);
  assert.ok(server.counts.posts < 40, `${server.counts.posts} requests`);
  await close();
});

test("a server that refuses every request ends the run with what it says", async () => {
  const manners = () => ({ status: 400, body: '{"error":{"message":"temperature is not supported"}}' });
  const { teacher, close } = await openServer({ manners }, QUICK);
  const answers = new Map<number, unknown>();
  await assert.rejects(
    askAll(teacher, QUESTIONS, {}, answers),
    /All of 30 requests were refused.*temperature is not supported/,
  );
  assert.equal(answers.size, 0);
  await close();
});

test("fields that a server rejects by name are left out or renamed", async () => {
  const { server, teacher, close } = await openServer(
    {
      manners: ({ body }) =>
        "stream_options" in body
          ? { status: 400, body: '{"error":{"message":"Unknown field stream_options"}}' }
          : "max_tokens" in body
            ? {
                status: 400,
                body: '{"error":{"message":"Unsupported parameter: max_tokens. Use max_completion_tokens instead."}}',
              }
            : undefined,
    },
    { ...QUICK, stream: true },
  );
  const answers = await askAll(teacher, QUESTIONS);
  for (const { generation, error } of answers.values()) assert.match(generation?.completion ?? error!, RIGHT);
  const last = server.asked.at(-1)!.body;
  assert.ok("max_completion_tokens" in last && !("max_tokens" in last) && !("stream_options" in last));
  await close();
});

test("headers that ask to wait are read in every form", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  const forms: [Record<string, string>, number | undefined][] = [
    [{ "retry-after-ms": "1500" }, 1500],
    [{ "retry-after": "2" }, 2000],
    [{ "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" }, 30_000],
    // a server's clock that is an hour off
    [{ "retry-after": "Thu, 01 Jan 2026 01:00:05 GMT", date: "Thu, 01 Jan 2026 01:00:00 GMT" }, 5000],
    [{ "retry-after": "Wed, 31 Dec 2025 23:00:00 GMT" }, 0],
    [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s" }, 360_000],
    [{ "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12ms" }, 12],
    [{ "x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "1s" }, undefined],
    [{ "x-ratelimit-reset-requests": "1h2m3.5s" }, 3_723_500],
    [{ "x-ratelimit-reset-requests": "soon" }, undefined],
    [{ "x-ratelimit-reset-requests": String(now / 1000 + 4) }, 4000],
    [{ "x-ratelimit-reset-requests": String(now + 4000) }, 4000],
    [{ "retry-after-ms": "", "retry-after": "7" }, 7000],
    [{ "retry-after": " " }, undefined],
    [{}, undefined],
  ];
  for (const [headers, wait] of forms) assert.equal(waitOf(headers, now), wait, JSON.stringify(headers));
});

test("a wait that is longer than the user's patience ends the run, and can be gone on with", async () => {
  let refuse = true;
  const { teacher, close } = await openServer(
    {
      manners: ({ number }) =>
        refuse && number === 5 ? { status: 429, headers: { "retry-after": "86400" } } : undefined,
    },
    { ...QUICK, max_concurrency: 2 },
  );
  const journal = openJournal();
  await assert.rejects(
    askAll(teacher, QUESTIONS, { journal }),
    /asks to wait 86400 s.*patience is 20 s.*the same command continues/,
  );
  refuse = false;
  const answers = await askAll(teacher, QUESTIONS, { journal });
  assert.equal(answers.size, QUESTIONS.length);
  assert.equal(journal.spent().requests, QUESTIONS.length);
  await close();
});

test("five minutes without headers are waited for, in an answer as a whole and in a stream", async () => {
  // 300 s are 1.5 s here
  const scale = 1.5 / 300;
  for (const stream of [false, true]) {
    const { server, teacher, close } = await openServer(
      { manners: ({ number }) => (number === 0 ? { wait: 300_000 * scale } : undefined) },
      { ...QUICK, stream, timeouts: { first: 900 * scale, answer: 3600 * scale } },
    );
    const answers = await askAll(teacher, QUESTIONS.slice(0, 3));
    assert.equal(answers.size, 3);
    assert.equal(server.counts.posts, 3);
    await close();
  }
});

test("a stream may take longer than its first token, and is given up where the next one does not come", async () => {
  const timeouts = { first: 0.4, stall: 0.3, answer: 5 };
  const slow = await openServer({ manners: () => ({ pace: 80 }) }, { ...QUICK, timeouts, stream: true });
  const answers = await askAll(slow.teacher, ["1 and 1"]); // nine tokens
  assert.match(answers.get(0)!.generation!.completion, RIGHT);
  assert.equal(slow.server.counts.posts, 1);
  await slow.close();
});

test("blank lines and comments keep a connection alive, and are no answer", async () => {
  for (const stream of [false, true]) {
    const { teacher, close } = await openServer({ manners: () => ({ comments: 6, pace: 5 }) }, { ...QUICK, stream });
    const answers = await askAll(teacher, QUESTIONS.slice(0, 5));
    for (const { generation, error } of answers.values()) assert.match(generation?.completion ?? error!, RIGHT);
    await close();
  }
  const { server, teacher, close } = await openServer(
    { manners: ({ number }) => (number === 0 ? { comments: 400, pace: 5 } : undefined) },
    { ...QUICK, stream: true, timeouts: { first: 0.3 } },
  );
  const answers = await askAll(teacher, ["1 and 1"]);
  assert.match(answers.get(0)!.generation!.completion, RIGHT);
  assert.equal(server.counts.posts, 2);
  await close();
});

test("a stream under another name is read all the same", async () => {
  const headers = { "content-type": "text/plain" };
  const { teacher, close } = await openServer({ manners: () => ({ headers }) }, { ...QUICK, stream: true });
  const answers = await askAll(teacher, QUESTIONS);
  for (const { generation, error } of answers.values()) assert.match(generation?.completion ?? error!, RIGHT);
  await close();
});

test("answers are read as they are packed", async () => {
  const { teacher, close } = await openServer({ manners: () => ({ gzip: true }) }, QUICK);
  const answers = await askAll(teacher, QUESTIONS);
  for (const { generation, error } of answers.values()) assert.match(generation?.completion ?? error!, RIGHT);
  await close();
});

test("a stream that said that it was over is whole, whether its connection is reset then or stays open", async () => {
  for (const after of ["reset", "open"] as const) {
    const timeouts = { ...QUICK.timeouts, stall: 20 };
    const { server, teacher, close } = await openServer(
      { manners: () => ({ after }) },
      { ...QUICK, timeouts, stream: true },
    );
    const start = performance.now();
    const answers = await askAll(teacher, QUESTIONS);
    assert.ok(performance.now() - start < 10_000, "what comes behind the end is waited for");
    for (const { generation, error } of answers.values()) assert.match(generation?.completion ?? error!, RIGHT);
    assert.equal(server.counts.posts, QUESTIONS.length);
    await close();
  }
});

test("rows that are refused are verdicts where others were answered before, in this process or an earlier one", async () => {
  const manners = ({ question }: { question: string }) =>
    Number.parseInt(question, 10) >= 10 ? { status: 400, body: '{"error":{"message":"too long"}}' } : undefined;
  const { teacher, close } = await openServer({ manners }, QUICK);
  const journal = openJournal();
  await askAll(teacher, QUESTIONS.slice(0, 5), { journal });
  const rows = Array.from({ length: 20 }, (_, i) => `${i + 10} and ${i}`);
  const requests = rows.map((prompt, i) => ({ prompt, seed: i, id: `later-${i}` }));
  let refused = 0;
  for await (const { error } of teacher.generate(requests, { ...SAMPLING, journal })) {
    assert.match(error!, /too long/);
    refused++;
  }
  assert.equal(refused, 20);
  await close();
});

test("a server that asks to wait no time at all, again and again, is left alone for longer and longer", async () => {
  const { server, teacher, close } = await openServer(
    { manners: () => ({ status: 429, headers: { "retry-after": "0" } }) },
    { ...QUICK, patience: 3 },
  );
  await assert.rejects(askAll(teacher, QUESTIONS), /No server has answered for 3 s/);
  assert.ok(server.counts.posts < 40, `${server.counts.posts} requests`);
  await close();
});

test("a length that was reached is no fault, and is not asked again", async () => {
  const { server, teacher, close } = await openServer(
    { manners: () => ({ finish_reason: "length", content: "<think>and so on" }) },
    QUICK,
  );
  const answers = await askAll(teacher, QUESTIONS);
  for (const { generation } of answers.values()) assert.equal(generation!.finish_reason, "length");
  assert.equal(server.counts.posts, QUESTIONS.length);
  await close();
});
