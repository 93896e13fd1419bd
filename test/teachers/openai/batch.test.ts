import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openJournal } from "../../../src/data/journal.ts";
import { openai } from "../../../src/teachers/openai.ts";
import { type BatchManners, startBatchServer } from "../../support/batch-server.ts";
import { answerOf, startServer } from "../../support/server.ts";
import { askAll } from "../../support/servers.ts";

const QUESTIONS = Array.from({ length: 20 }, (_, i) => `${i} and ${i}`);

const open = (base_url: string, batch: object = {}) =>
  openai.create(openai.options.parse({ base_url, batch: { poll: 0.02, ...batch }, patience: 3 }));

async function whole(manners: (number: number) => BatchManners, batch: object = {}) {
  const server = await startBatchServer(manners);
  const teacher = await open(server.url, batch);
  const journal = openJournal();
  const answers = await askAll(teacher, QUESTIONS, { journal });
  await teacher.close();
  await server.close();
  return { server, journal, answers };
}

const right = (answers: Awaited<ReturnType<typeof askAll>>) =>
  QUESTIONS.forEach((question, i) => {
    assert.match(answers.get(i)!.generation!.completion, /The answer is/);
    assert.match(answers.get(i)!.generation!.completion, new RegExp(`${question.replace("and", "\\+")} is`));
  });

test("a batch is submitted, looked at until it ends, and read in whichever order its lines are", async () => {
  const { server, journal, answers } = await whole(() => ({ looks: 3 }));
  right(answers);
  assert.equal(server.batches.size, 1);
  assert.deepEqual([journal.spent().requests, journal.spent().maybe.requests], [20, 0]);
});

test("requests are spread over several files where one may not hold them", async () => {
  const { server, answers } = await whole(() => ({}), { max_requests: 8 });
  right(answers);
  assert.equal(server.batches.size, 3);
  const { server: small } = await whole(() => ({}), { max_bytes: 1000 });
  assert.ok(small.batches.size > 3);
  for (const { input } of small.batches.values()) assert.ok(small.files.get(input)!.length <= 1000);
});

test("a batch that is completed and has no file of results has its lines in that of errors", async () => {
  const line = () => ({ response: { status_code: 400, body: { error: { message: "no such field" } } } });
  const { answers } = await whole(() => ({ failed: true, line }));
  for (const { error } of answers.values()) assert.match(error!, /refuses the request \(400: no such field\)/);
});

for (const status of ["expired", "cancelled", "failed"])
  test(`what a batch that is ${status} had done is used, and only the rest is submitted again`, async () => {
    const { server, answers, journal } = await whole((number) => (number === 0 ? { status, done: 13 } : {}));
    right(answers);
    assert.equal(server.batches.size, 2);
    assert.equal(server.paid.length, 20);
    assert.equal(new Set(server.paid.map((name) => name.replace(/-\d+$/, ""))).size, 20);
    assert.deepEqual([journal.spent().requests, journal.spent().maybe.requests], [20, 0]);
  });

test("each line is judged as an answer that came at once", async () => {
  const bad: Record<string, object> = {
    "3 and 3": { response: { status_code: 500, body: { error: { message: "failed" } } } },
    "5 and 5": { response: { status_code: 200, body: { choices: [] } } },
    "7 and 7": {
      response: {
        status_code: 200,
        body: {
          model: "m",
          choices: [{ index: 0, finish_reason: "stop", message: { content: "" } }],
          usage: { completion_tokens: 0, prompt_tokens: 3 },
        },
      },
    },
    "9 and 9": { response: null, error: { code: "server_error", message: "broken" } },
    "11 and 11": {
      response: null,
      error: { code: "batch_expired", message: "This request could not be executed in time" },
    },
  };
  const { server, answers } = await whole((number) => (number === 0 ? { line: (question) => bad[question] } : {}));
  assert.equal(server.batches.size, 2);
  for (const [i, { generation, error }] of answers)
    if (i === 9) assert.match(error!, /400: broken/);
    else assert.ok(generation, error);
});

test("all batches are submitted before one is waited for", async () => {
  const started: number[] = [];
  const { answers } = await whole(
    (number) => {
      started[number] = performance.now();
      return { looks: 10 };
    },
    { max_requests: 7 },
  );
  right(answers);
  assert.ok(started[2]! - started[0]! < 150, `${started[2]! - started[0]!} ms`);
});

test("a batch that the server did nothing of is said, and submitted again by the next run", async () => {
  const server = await startBatchServer((number) =>
    number === 0 ? { status: "failed", done: 0, why: "Enqueued token limit reached" } : {},
  );
  const journal = openJournal();
  const first = await open(server.url);
  await assert.rejects(
    askAll(first, QUESTIONS, { journal }),
    /batch-0 ended as failed: Enqueued token limit reached\. The same command submits/,
  );
  assert.equal(journal.spent().maybe.requests, 0);
  await first.close();
  const second = await open(server.url);
  right(await askAll(second, QUESTIONS, { journal }));
  await second.close();
  await server.close();
});

test("a server without batches is said to have none, and can be asked at once", async () => {
  const server = await startServer({ manners: () => undefined });
  const journal = openJournal();
  const batches = await open(server.url);
  await assert.rejects(askAll(batches, QUESTIONS, { journal }), /does not take batches: POST \/files ended with 404/);
  await batches.close();
  assert.equal(journal.spent().maybe.requests, 0);
  const online = await openai.create(openai.options.parse({ base_url: server.url, probe: false }));
  right(await askAll(online, QUESTIONS, { journal }));
  await online.close();
  await server.close();
});

test("out of credit ends the run: it is said, and not asked again", async () => {
  const server = await startBatchServer(() => ({
    line: (question) =>
      question > "3"
        ? { response: { status_code: 429, body: { error: { code: "insufficient_quota", message: "no credit" } } } }
        : undefined,
  }));
  const teacher = await open(server.url);
  const journal = openJournal();
  const answers = new Map<number, unknown>();
  await assert.rejects(askAll(teacher, QUESTIONS, { journal }, answers), /answers nothing more: 429: no credit/);
  assert.equal(answers.size, server.paid.length);
  assert.ok(answers.size > 5);
  await teacher.close();
  await server.close();
});

for (const lost of ["after", "before"] as const)
  test(`where the answer to a creation is lost ${lost} it, the batch is looked for before it is created again`, async () => {
    const server = await startBatchServer((number) => (number === 0 ? { lost } : {}));
    const journal = openJournal();
    const first = await open(server.url);
    await assert.rejects(
      askAll(first, QUESTIONS, { journal }),
      /does not take batches: POST \/batches.*goes on with it/,
    );
    await first.close();
    const second = await open(server.url);
    right(await askAll(second, QUESTIONS, { journal }));
    assert.equal(server.batches.size, 1);
    assert.equal(server.paid.length, 20);
    await second.close();
    await server.close();
  });

test("a batch that a killed process submitted is read by the next one, and nothing is asked at once meanwhile", async () => {
  const server = await startBatchServer(() => ({ looks: 1000 }));
  const journal = openJournal();
  const abort = new AbortController();
  const first = await open(server.url);
  setTimeout(() => abort.abort(), 200);
  assert.equal((await askAll(first, QUESTIONS, { journal, signal: abort.signal })).size, 0);
  await first.close();
  assert.equal(journal.spent().maybe.requests, 20);
  const online = await openai.create(openai.options.parse({ base_url: server.url, probe: false }));
  await assert.rejects(
    askAll(online, QUESTIONS, { journal }),
    /20 requests of this run are on their way in batches \(batch-0\)/,
  );
  await online.close();
  server.batches.get("batch-0")!.looks = 1000;
  const second = await open(server.url);
  right(await askAll(second, QUESTIONS, { journal }));
  assert.equal(server.batches.size, 1);
  assert.deepEqual([journal.spent().requests, journal.spent().maybe.requests], [20, 0]);
  await second.close();
  await server.close();
});

test("a batch of other settings is never taken for this one, whose creation may have been lost", async () => {
  const server = await startBatchServer((number) => (number === 1 ? { lost: "before" } : {}));
  const first = await open(server.url);
  right(await askAll(first, QUESTIONS, { temperature: 0.6 }));
  const journal = openJournal();
  await assert.rejects(askAll(first, QUESTIONS, { journal, temperature: 1.5 }), /does not take batches/);
  right(await askAll(first, QUESTIONS, { journal, temperature: 1.5 }));
  const asked = [...server.files.values()].flatMap((text) => text.match(/"temperature":[\d.]+/g) ?? []);
  assert.deepEqual([asked[0], asked.at(-1)], ['"temperature":0.6', '"temperature":1.5']);
  assert.equal(server.batches.size, 2);
  await first.close();
  await server.close();
});

test("of a journal that was damaged, a batch that is on its way is looked for before it is submitted again", async () => {
  for (const left of [0, 0.3, 0.6, 0.9]) {
    const server = await startBatchServer(() => ({ looks: 1 }));
    const place = { folder: join(mkdtempSync(join(tmpdir(), "batch-")), "journal"), key: "k" };
    const journal = openJournal(place);
    const abort = new AbortController();
    const first = await openai.create(openai.options.parse({ base_url: server.url, batch: { poll: 60 }, patience: 3 }));
    const asked = askAll(first, QUESTIONS, { journal, signal: abort.signal });
    while (!journal.noted<{ batch?: string }[]>("batches")?.[0]?.batch)
      await new Promise((turn) => setTimeout(turn, 5));
    abort.abort();
    await asked;
    await journal.close();
    await first.close();
    const file = join(place.folder, "data-00000.arrow");
    truncateSync(file, Math.floor(statSync(file).size * left));
    const again = openJournal(place, () => {});
    assert.ok(again.damaged > 0);
    const second = await open(server.url);
    right(await askAll(second, QUESTIONS, { journal: again }));
    assert.equal(server.batches.size, 1, `${left}`);
    await again.close();
    await second.close();
    await server.close();
  }
});

test("plain files are written for others to answer, and what lies beside them is read, whole or not", async () => {
  const server = await startBatchServer();
  const files = mkdtempSync(join(tmpdir(), "batch-"));
  const journal = openJournal();
  const ask = async () => {
    const teacher = await open(server.url, { files });
    const into = new Map<number, unknown>();
    const said = await askAll(teacher, QUESTIONS, { journal }, into).then(
      () => "",
      (error: Error) => error.message,
    );
    await teacher.close();
    return { said, answers: into as Awaited<ReturnType<typeof askAll>> };
  };
  const first = await ask();
  assert.match(
    first.said,
    /20 requests wait in .* to be answered\. Have each requests-\*\.jsonl there answered, such as by vllm run-batch/,
  );
  const [name] = readdirSync(files);
  const lines = readFileSync(join(files, name!), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, 20);
  assert.deepEqual([lines[0].method, lines[0].url, lines[0].body.model], ["POST", "/v1/chat/completions", "m"]);
  assert.match(lines[0].custom_id, /^[\w-]{1,64}$/);
  const answered = (some: typeof lines) =>
    some
      .map(({ custom_id, body }) => {
        const message = { content: answerOf(body.messages[0].content, body.seed) };
        const response = {
          status_code: 200,
          body: {
            model: "m",
            choices: [{ index: 0, finish_reason: "stop", message }],
            usage: { prompt_tokens: 3, completion_tokens: 9 },
          },
        };
        return `${JSON.stringify({ id: "x", custom_id, response, error: null })}\n`;
      })
      .join("");
  writeFileSync(join(files, "answers.jsonl"), `${answered(lines.slice(0, 12))}{"custom_id": "cut`);
  const second = await ask();
  assert.equal(second.answers.size, 12);
  assert.match(second.said, /8 requests wait/);
  const rest = readdirSync(files).find((file) => file.startsWith("requests-") && file !== name)!;
  const more = readFileSync(join(files, rest), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(more.length, 8);
  assert.deepEqual(
    more.map(({ custom_id }) => custom_id),
    lines.slice(12).map(({ custom_id }) => custom_id),
  );
  writeFileSync(join(files, "more.jsonl"), answered(lines.slice(12))); // of the first file, late
  const third = await ask();
  assert.equal(third.said, "");
  right(third.answers);
  assert.equal(journal.spent().requests, 20);
  // what answers the same questions of other settings is none of theirs
  const teacher = await open(server.url, { files });
  await assert.rejects(askAll(teacher, QUESTIONS, { journal: openJournal(), temperature: 1.5 }), /20 requests wait/);
  await teacher.close();
  await server.close();
});
