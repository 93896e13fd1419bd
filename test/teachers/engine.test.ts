import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { requireSameVocabulary } from "../../src/data/vocabulary.ts";
import { engine } from "../../src/teachers/engine.ts";
import type { Teacher, TopLogprobs } from "../../src/teachers/teacher.ts";
import { scratch } from "../support/students.ts";
import { openLlamaCpp, PROMPTS, SAMPLING, testContract, writeToy } from "./contract.ts";

const folder = scratch();
let teacher: Teacher;
let other: Teacher;

before(async () => {
  const { source, path } = await writeToy(folder);
  teacher = await engine.create(
    engine.options.parse({ path: source, device: "cpu", threads: 1, sequences: 4, context_size: 256 }),
  );
  other = await openLlamaCpp(path);
});
after(async () => {
  await teacher.close();
  await other.close();
});

testContract(async () => ({ teacher, prompts: PROMPTS }));

test("llama.cpp and the engine find the same tokens likely in given texts, and have the same vocabulary", async () => {
  const texts = [
    [1, 5, 9, 3, 7],
    [4, 4, 8],
    [2, 11, 20, 6, 1, 1, 3, 9, 14],
  ].map((tokens, i) => ({ tokens, from: 1 + i }));
  const scored = async (from: Teacher): Promise<TopLogprobs[][]> => {
    const found: TopLogprobs[][] = [];
    for await (const { index, top_logprobs, error } of from.score!(texts, { top_logprobs: 4 })) {
      assert.equal(error, undefined);
      found[index] = top_logprobs!;
    }
    return found;
  };
  const [ours, theirs] = [await scored(teacher), await scored(other)];
  for (const [i, { tokens, from }] of texts.entries()) {
    assert.equal(ours[i]!.length, tokens.length - from);
    assert.equal(theirs[i]!.length, tokens.length - from);
    for (const [k, { ids, logprobs }] of theirs[i]!.entries()) {
      assert.deepEqual(ours[i]![k]!.ids, ids);
      // llama.cpp's cache holds half precision
      for (const [n, logprob] of logprobs.entries())
        assert.ok(Math.abs(ours[i]![k]!.logprobs[n]! - logprob) < 0.05, `${ours[i]![k]!.logprobs[n]}, ${logprob}`);
    }
  }
  requireSameVocabulary(
    { name: "the engine's", tokens: teacher.vocabulary() },
    { name: "llama.cpp's", tokens: other.vocabulary() },
  );
});

test("texts and prompts that are too long are an error of their own, and a folder without a model a sentence", async () => {
  const long = new Array(300).fill(3);
  const found = [];
  for await (const one of teacher.score!(
    [
      { tokens: long, from: 1 },
      { tokens: [1, 2, 3], from: 1 },
    ],
    { top_logprobs: 2 },
  ))
    found.push(one);
  assert.match(found.find(({ index }) => index === 0)!.error!, /has 300 tokens, and the teacher a context_size of 256/);
  assert.equal(found.find(({ index }) => index === 1)!.top_logprobs!.length, 2);
  const prompts = [
    { prompt: "9".repeat(400), seed: 1 },
    { prompt: PROMPTS[0]!, seed: 1 },
  ];
  const answers = [];
  for await (const one of teacher.generate(prompts, SAMPLING)) answers.push(one);
  assert.match(answers.find(({ index }) => index === 0)!.error!, /no room for a completion in a context_size of 256/);
  assert.ok(answers.find(({ index }) => index === 1)!.generation);
  await assert.rejects(
    engine.create(engine.options.parse({ path: folder })),
    (error) => error instanceof DistillError && /holds no model/.test(error.message),
  );
});
