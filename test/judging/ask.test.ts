import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Stopped } from "../../src/core/errors.ts";
import { openJournal } from "../../src/data/journal.ts";
import { type Asking, openAsking } from "../../src/judging/ask.ts";
import { type BudgetOptions, openBudget } from "../../src/teachers/budget.ts";
import type { Teacher } from "../../src/teachers/teacher.ts";
import { scratch } from "../support/students.ts";

/** A model in this process that answers by rule, three questions at a time, and notes what it was asked. */
function scripted(answer: (question: string) => string | Error) {
  const asked: string[] = [];
  const rounds: number[] = [];
  let closed = 0;
  const teacher: Teacher = {
    model: "scripted",
    render: (messages) => `<q>${messages.map(({ content }) => content).join("")}</q>`,
    async *generate(requests, { signal }) {
      const open: { index: number; prompt: string }[] = [];
      let index = 0;
      rounds.push(0);
      const source = requests[Symbol.iterator]();
      for (let over = false; ; ) {
        while (!over && open.length < 3) {
          const next = source.next();
          if (next.done) over = true;
          else open.push({ index: index++, prompt: next.value.prompt });
        }
        const one = open.pop(); // the last one is done first
        if (!one) return;
        await new Promise((resolve) => setImmediate(resolve));
        if (signal?.aborted) return;
        rounds[rounds.length - 1]!++;
        asked.push(one.prompt);
        const completion = answer(one.prompt);
        if (completion instanceof Error) yield { index: one.index, error: completion.message };
        else
          yield {
            index: one.index,
            generation: { completion, token_ids: [1, 2, 3], prompt_tokens: 5, finish_reason: "stop" },
          };
      }
    },
    vocabulary: () => [],
    async close() {
      closed++;
    },
  };
  return { teacher, asked, rounds, closed: () => closed };
}

const asking = (folder: string, teacher: Teacher, limits: BudgetOptions = {}, more: Partial<Asking> = {}) => {
  const journal = openJournal({ folder, key: "judge" });
  const opened = openAsking({
    open: async () => ({ teacher, budget: openBudget(limits, undefined, journal.spent()) }),
    journal,
    temperature: 0,
    max_completion_length: 10,
    usedUp: (refusal) => `Nothing more: ${refusal}.`,
    ...more,
  });
  const close = async () => {
    await opened.close();
    await journal.close();
  };
  return { ...opened, journal, close };
};

test("questions that come together are asked together, each answer goes to its question, and the same one is asked once", async () => {
  const { teacher, asked, rounds, closed } = scripted((question) => `about ${question}`);
  const { ask, model, close } = asking(join(scratch(), "j"), teacher);
  assert.equal(model(), undefined); // nothing was opened yet
  const questions = ["a", "b", "a", "c", "d", "b", "e"];
  const answers = await Promise.all(questions.map(ask));
  assert.deepEqual(
    answers,
    questions.map((question) => ({ completion: `about <q>${question}</q>`, finish_reason: "stop" })),
  );
  assert.deepEqual(
    asked.toSorted(),
    ["a", "b", "c", "d", "e"].map((one) => `<q>${one}</q>`),
  );
  assert.deepEqual(rounds, [5]);
  assert.equal(model(), "scripted");
  await close();
  assert.equal(closed(), 1);
});

test("questions that come while others are answered join them, and those that come later are asked as well", async () => {
  const { teacher, asked } = scripted(() => "yes");
  const { ask, close } = asking(join(scratch(), "j"), teacher);
  const first = ask("1").then(() => Promise.all(["2", "3", "4", "5"].map(ask)));
  await Promise.all([first, ...["6", "7", "8", "9"].map(ask)]);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await ask("10");
  assert.equal(new Set(asked).size, 10);
  assert.equal(asked.length, 10);
  await close();
});

test("what was answered is kept, and the next process does not open the model for it", async () => {
  const folder = join(scratch(), "j");
  const before = scripted((question) => `about ${question}`);
  const first = asking(folder, before.teacher);
  const answers = await Promise.all(["a", "b"].map(first.ask));
  await first.close();
  const after = scripted(() => "something else");
  const second = asking(folder, after.teacher);
  assert.deepEqual(await Promise.all(["a", "b"].map(second.ask)), answers);
  assert.equal(second.model(), undefined);
  assert.deepEqual(await second.ask("c"), { completion: "something else", finish_reason: "stop" });
  assert.deepEqual(after.asked, ["<q>c</q>"]);
  assert.equal(second.journal.spent().requests, 3);
  await second.close();
});

test("an error of one question is that question's alone, and is asked again by the next process", async () => {
  const folder = join(scratch(), "j");
  const { teacher } = scripted((question) => (question.includes("b") ? new Error("it is too long") : "yes"));
  const first = asking(folder, teacher);
  const [a, b, c] = await Promise.all(["a", "b", "c"].map(first.ask));
  assert.deepEqual(b, { error: "it is too long" });
  for (const answered of [a, c]) assert.deepEqual(answered, { completion: "yes", finish_reason: "stop" });
  await first.close();
  const second = asking(folder, scripted(() => "no").teacher);
  assert.deepEqual(await second.ask("b"), { completion: "no", finish_reason: "stop" });
  await second.close();
});

test("a budget ends the asking with a sentence, what was answered stays, and a higher one goes on", async () => {
  const folder = join(scratch(), "j");
  const { teacher, asked } = scripted(() => "yes");
  const first = asking(folder, teacher, { completion_tokens: 12 });
  const given = await Promise.allSettled(["a", "b", "c"].map(first.ask));
  const failed = given.flatMap((one) => (one.status === "rejected" ? [String(one.reason.message)] : []));
  assert.equal(asked.length, 1);
  assert.equal(failed.length, 2);
  for (const message of failed)
    assert.match(
      message,
      /^Nothing more: the budget of 12 completion tokens has 9 tokens left, and one more request may take 10\.$/,
    );
  await assert.rejects(first.ask("d"), /Nothing more/);
  await first.close();
  const second = asking(folder, teacher, { completion_tokens: 40 });
  await Promise.all(["a", "b", "c"].map(second.ask));
  assert.equal(asked.length, 3);
  await second.close();
});

test("what ends the model ends every open question", async () => {
  const { teacher } = scripted(() => {
    throw new Error("the file is damaged");
  });
  const { ask, close } = asking(join(scratch(), "j"), teacher);
  const given = await Promise.allSettled(["a", "b", "c", "d"].map(ask));
  for (const one of given) assert.match(one.status === "rejected" ? one.reason.message : "answered", /damaged/);
  await close();
});

test("a question that is stopped is not answered, and holds nothing up", async () => {
  const controller = new AbortController();
  const { teacher } = scripted(() => {
    controller.abort();
    return "yes";
  });
  const { ask, close } = asking(join(scratch(), "j"), teacher, {}, { signal: controller.signal });
  const given = await Promise.allSettled(["a", "b", "c"].map(ask));
  const stopped = given.filter((one) => one.status === "rejected" && one.reason instanceof Stopped);
  assert.equal(stopped.length, 2);
  await assert.rejects(ask("d"), Stopped);
  await close();
});
