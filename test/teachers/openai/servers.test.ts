import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { test } from "node:test";
import { nothingSpent, openJournal } from "../../../src/data/journal.ts";
import { openBudget } from "../../../src/teachers/budget.ts";
import { priceOf } from "../../../src/teachers/openai/price.ts";
import { openai } from "../../../src/teachers/openai.ts";
import { type Manners, startServer } from "../../support/server.ts";
import { askAll, openServer, QUICK } from "../../support/servers.ts";

const questions = (count: number) => Array.from({ length: count }, (_, i) => `${i} and ${i}`);
const open = (base_url: string[], given: object = {}) =>
  openai.create(openai.options.parse({ base_url, ...QUICK, ...given }));

test("several servers share the work by what each can carry", async () => {
  const fast = await startServer({ manners: () => ({ wait: 5 }) });
  const slow = await startServer({ manners: () => ({ wait: 400 }) });
  const teacher = await open([fast.url, slow.url], { max_concurrency: 4 });
  const answers = await askAll(teacher, questions(200));
  assert.equal(answers.size, 200);
  assert.equal(fast.counts.whole + slow.counts.whole, 200);
  assert.ok(fast.counts.whole > 2 * slow.counts.whole, `${fast.counts.whole} and ${slow.counts.whole}`);
  await teacher.close();
  for (const server of [fast, slow]) await server.close();
});

test("a server that is not there, one that dies and one that never answers stall nobody", async () => {
  const good = await startServer({ manners: () => ({ wait: 2 }) });
  const dying = await startServer({ manners: ({ number }) => (number >= 5 ? { end: "reset" } : { wait: 2 }) });
  const silent = await startServer({ manners: () => ({ wait: 60_000 }) });
  const teacher = await open([good.url, dying.url, silent.url, "http://127.0.0.1:9"], {
    max_concurrency: 4,
    timeouts: { answer: 1.5 },
  });
  const journal = openJournal();
  const start = performance.now();
  const answers = await askAll(teacher, questions(300), { journal });
  const took = performance.now() - start;
  for (const { generation, error } of answers.values()) assert.ok(generation, error);
  assert.equal(answers.size, 300);
  // those that the silent one held were asked elsewhere once its time was over
  assert.ok(took < 15_000, `${took} ms`);
  assert.equal(journal.spent().requests, 300);
  await teacher.close();
  for (const server of [good, dying, silent]) await server.close();
});

test("a server that refuses everybody, or asks for hours, is left out where another one answers", async () => {
  const kinds: Manners[] = [
    { status: 402 },
    { status: 401 },
    { status: 404 },
    { status: 429, headers: { "retry-after": "36000" } },
  ];
  for (const manners of kinds) {
    const good = await startServer({ manners: () => ({ wait: 2 }) });
    const bad = await startServer({ manners: () => manners });
    const teacher = await open([bad.url, good.url], { max_concurrency: 4 });
    const answers = await askAll(teacher, questions(40));
    for (const { generation, error } of answers.values()) assert.ok(generation, error);
    assert.ok(bad.counts.posts <= 4, `${bad.counts.posts}`);
    await teacher.close();
    for (const server of [good, bad]) await server.close();
  }
});

test("a server that does not keep to the limit of tokens is reckoned with", async () => {
  const { teacher, close } = await openServer(
    { manners: () => ({ usage: { prompt_tokens: 3, completion_tokens: 1000 }, wait: 2 }) },
    { ...QUICK, probe: true, max_concurrency: 8 },
  );
  const journal = openJournal();
  await askAll(teacher, questions(100), {
    journal,
    budget: openBudget({ completion_tokens: 9000 }, undefined, nothingSpent()),
  });
  const { completion_tokens, requests } = journal.spent();
  assert.ok(completion_tokens <= 9000 && requests >= 8, `${completion_tokens} for ${requests}`);
  await close();
});

test("a server that comes back is used again, and one that is started later joins", async () => {
  const first = await startServer({ manners: () => ({ wait: 10 }) });
  const port = Number(new URL(first.url).port);
  const spare = createServer();
  const [free, late] = [await portOf(spare), [] as Awaited<ReturnType<typeof startServer>>[]];
  spare.close();
  const teacher = await open([first.url, `http://127.0.0.1:${free}`], { max_concurrency: 2 });
  const asking = askAll(teacher, questions(600));
  setTimeout(() => void first.close(), 300);
  setTimeout(async () => {
    for (const at of [port, free]) late.push(await startServer({ port: at, manners: () => ({ wait: 5 }) }));
  }, 600);
  const answers = await asking;
  for (const { generation, error } of answers.values()) assert.ok(generation, error);
  assert.equal(answers.size, 600);
  for (const { counts } of late) assert.ok(counts.whole > 20, `${counts.whole}`);
  await teacher.close();
  for (const server of late) await server.close();
});

const portOf = (server: Server) =>
  new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
  );

test("concurrency grows until requests are refused, and then stays near to what is taken", async () => {
  let now = 0;
  const { server, teacher, close } = await openServer(
    {
      manners: () => {
        if (now >= 12) return { status: 429, headers: { "retry-after-ms": "20" } };
        now++;
        setTimeout(() => now--, 10);
        return { wait: 10 };
      },
    },
    { ...QUICK, max_concurrency: 200 },
  );
  const answers = await askAll(teacher, questions(600));
  assert.equal(answers.size, 600);
  assert.ok(server.counts.most >= 12, `${server.counts.most} at once`);
  const refused = server.counts.posts - 600;
  assert.ok(refused < 200, `${refused} of ${server.counts.posts} were refused`);
  await close();
});

test("a server that says that a limit is used up is left alone until it is there again", async () => {
  const times: number[] = [];
  const { server, teacher, close } = await openServer(
    {
      manners: ({ number }) => {
        times.push(performance.now());
        const headers = {
          "x-ratelimit-remaining-requests": number % 10 === 9 ? "0" : "5",
          "x-ratelimit-reset-requests": "300ms",
        };
        return { headers };
      },
    },
    { ...QUICK, max_concurrency: 1 },
  );
  await askAll(teacher, questions(25));
  assert.equal(server.counts.posts, 25);
  assert.ok(times[10]! - times[9]! >= 295 && times[20]! - times[19]! >= 295);
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  assert.ok(Math.min(...gaps.filter((_, i) => i % 10 !== 9)) < 250);
  await close();
});

test("a server that says how many it works on is given that many and a few that wait", async () => {
  const models = { object: "list", data: [{ id: "m", owned_by: "llamacpp", meta: { n_ctx: 100 } }] };
  const props = { total_slots: 16, default_generation_settings: { n_ctx: 100 } };
  const { server, teacher, close } = await openServer(
    { model: "m", paths: { "/v1/models": models, "/props": props }, manners: () => ({ wait: 20 }) },
    QUICK,
  );
  await askAll(teacher, questions(200));
  assert.equal(server.counts.most, 20);
  // it has defaults of its own for these
  assert.deepEqual([server.asked[0]!.body.top_k, server.asked[0]!.body.min_p], [0, 0]);
  await close();
});

test("prompts without room are found before they are sent where their length is known, else they are the server's to refuse", async () => {
  const models = { data: [{ id: "m", owned_by: "test", max_model_len: 40 }] };
  const long = "word ".repeat(200);
  const refuse = { status: 400, body: '{"error":{"type":"exceed_context_size_error","message":"too long"}}' };
  const { server, teacher, close } = await openServer(
    {
      model: "m",
      paths: { "/v1/models": models },
      manners: ({ question }) => (question === long ? refuse : undefined),
    },
    QUICK,
  );
  const answers = await askAll(teacher, ["1 and 1", long, "2 and 2"]);
  assert.match(answers.get(1)!.error!, /refuses the request \(400: too long\)/);
  assert.ok(answers.get(0)!.generation && answers.get(2)!.generation);
  await close();
  assert.equal(server.counts.posts, 3);
  const known = await openServer(
    { model: "m", paths: { "/v1/models": models } },
    { ...QUICK, tokenizer: "data/models/stories-base" },
  );
  const found = await askAll(known.teacher, ["1 and 1", long, "2 and 2"]);
  assert.match(
    found.get(1)!.error!,
    /^The prompt has \d+ tokens, which leaves no room for a completion in the server's context of 40\.$/,
  );
  assert.equal(known.server.counts.posts, 2);
  await known.close();
});

test("a budget is never overrun, at any concurrency, with retries and with answers that cost less than they may", async () => {
  for (const [limits, max_concurrency, faults] of [
    [{ completion_tokens: 1000 }, 16, false],
    [{ completion_tokens: 1000 }, 16, true],
    [{ total_tokens: 3000 }, 3, false],
    [{ money: 0.01 }, 8, true],
  ] as const) {
    const { server, teacher, close } = await openServer(
      { manners: ({ again, number }) => (faults && again === 0 && number % 5 === 0 ? { status: 500 } : { wait: 3 }) },
      { ...QUICK, max_concurrency },
    );
    const price = priceOf({
      base_url: server.url,
      price: { input: 1, output: 10, currency: "EUR", batch_factor: 0.5 },
    });
    const journal = openJournal();
    const answers = await askAll(teacher, questions(500), {
      journal,
      budget: openBudget(limits, price, nothingSpent()),
    });
    const { prompt_tokens, completion_tokens, maybe } = journal.spent();
    const all = {
      completion_tokens: completion_tokens + maybe.completion_tokens,
      total_tokens: prompt_tokens + completion_tokens + maybe.prompt_tokens + maybe.completion_tokens,
      money: (prompt_tokens + maybe.prompt_tokens + 10 * (completion_tokens + maybe.completion_tokens)) / 1e6,
    };
    const [[name, limit]] = Object.entries(limits) as [[keyof typeof all, number]];
    assert.ok(all[name] <= limit, `${all[name]} of ${limit} ${name}`);
    // and what is left would not have been enough for one more at its longest
    assert.ok(answers.size > 5 && answers.size < 500, `${answers.size} answers`);
    if (name === "completion_tokens") assert.ok(all[name] > limit - 64 - 1, `${all[name]} of ${limit}`);
    await close();
  }
});

test("what an answer says that it cost counts for a budget of money where no price is known", async () => {
  const { teacher, close } = await openServer(
    { manners: () => ({ usage: { prompt_tokens: 3, completion_tokens: 9, cost: 0.001 }, wait: 2 }) },
    { ...QUICK, probe: true, max_concurrency: 4 },
  );
  const journal = openJournal();
  const budget = openBudget({ money: 0.05 }, undefined, nothingSpent());
  await askAll(teacher, questions(500), { journal, budget });
  const { cost, requests } = journal.spent();
  assert.ok(cost <= 0.05 && requests >= 10, `${cost} for ${requests}`);
  await close();
  const unknown = await openServer({}, { ...QUICK, probe: true });
  const asked = askAll(unknown.teacher, questions(5), { budget: openBudget({ money: 1 }, undefined, nothingSpent()) });
  await assert.rejects(asked, /nobody knows what test-model costs.*Give teacher\.price, or a budget of tokens/);
  await unknown.close();
});

test("the table of prices is asked where the recipe says none, and says nothing of what it does not know", () => {
  const deepseek = priceOf({ base_url: "https://api.deepseek.com/v1", model: "deepseek-chat" })!;
  assert.equal(deepseek.currency, "USD");
  assert.match(deepseek.source, /^the table @pydantic\/genai-prices \d+\.\d+\.\d+$/);
  assert.ok(deepseek.of({ prompt_tokens: 1e6, completion_tokens: 1e6 }) > 0.1);
  assert.equal(priceOf({ base_url: "http://127.0.0.1:8000/v1", model: "deepseek-chat" }), undefined);
  assert.equal(priceOf({ base_url: "https://api.deepseek.com/v1", model: "no-such-model" }), undefined);
  const price = { input: 2, cached_input: 1, output: 4, currency: "EUR", batch_factor: 0.5 };
  const own = priceOf({ base_url: "https://api.deepseek.com/v1", model: "deepseek-chat", price })!;
  assert.equal(own.of({ prompt_tokens: 1e6, completion_tokens: 1e6, cached_tokens: 5e5 }), 5.5);
});

test("an answer whose reader went away is read later where the server keeps it, and not asked for again", async () => {
  const models = { data: [{ id: "m", owned_by: "llamacpp" }] };
  const kept = new Map<string, string>();
  const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
  const stream =
    event({ choices: [{ index: 0, delta: { content: "kept" }, finish_reason: "stop" }] }) +
    event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 1 } }) +
    "data: [DONE]\n\n";
  const { server, teacher, close } = await openServer(
    {
      model: "m",
      paths: { "/v1/models": models, "/props": { total_slots: 4 } },
      kept,
      manners: ({ headers, again }) => {
        const name = String(headers["x-conversation-id"]);
        if (again > 0) return undefined;
        kept.set(name, stream);
        return { end: "cut" };
      },
    },
    { ...QUICK, stream: true },
  );
  const journal = openJournal();
  const answers = await askAll(teacher, questions(5), { journal });
  for (const { generation } of answers.values()) assert.equal(generation!.completion, "kept");
  assert.equal(server.counts.posts, 5);
  assert.equal(journal.spent().maybe.requests, 0);
  await close();
});

test("what a killed process had asked, and the server kept, is not asked again", async () => {
  const models = { data: [{ id: "m", owned_by: "llamacpp" }] };
  const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
  const stream = `${event({ choices: [{ index: 0, delta: { content: "kept" }, finish_reason: "stop" }] })}${event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 1 } })}data: [DONE]\n\n`;
  const kept = new Map([["q-0-1", stream]]);
  const { server, teacher, close } = await openServer(
    { model: "m", paths: { "/v1/models": models, "/props": { total_slots: 4 } }, kept },
    { ...QUICK, stream: true },
  );
  const journal = openJournal();
  const most = { prompt_tokens: 3, completion_tokens: 64, cost: null };
  for (const id of ["q-0", "q-1"])
    await journal.sent([{ id, attempt: 1, endpoint: `${server.url}/v1`, seed: 0, most }]);
  assert.equal(journal.spent().maybe.requests, 2);
  const answers = await askAll(teacher, questions(2), { journal });
  assert.equal(answers.get(0)!.generation!.completion, "kept");
  assert.equal(server.counts.posts, 1);
  assert.equal(journal.spent().maybe.requests, 1); // what the server has forgotten
  await close();
});
