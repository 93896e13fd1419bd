import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { contaminationSearch, DecontaminationOptions } from "../../src/data/decontamination.ts";
import { readPrompts } from "../../src/data/prompts.ts";

const SHARED = "../shared/data";
const missing = existsSync(SHARED) ? false : `${SHARED} is not there, and it holds GSM8K`;
const gsm8k = (split: "train" | "test") => readPrompts({ path: `${SHARED}/gsm8k_${split}.jsonl` }, split);
const options = (changes: object = {}) => DecontaminationOptions.parse(changes);

const QUESTIONS = [
  "Anna's bakery sold 48 rye loaves on Monday and half as many wheat loaves on Tuesday. How many loaves did the bakery sell on both days?",
  "A freight train carries 120 tons of coal in 15 wagons. Each wagon weighs 8 tons when it is empty. How heavy is the whole train in tons?",
  "What is 7 times 8?",
].map((text, i) => ({ source: "test.jsonl", id: `q${i}`, text }));
const search = contaminationSearch(QUESTIONS, options({ n_gram: 8 }));

test("a question is found as it stands, whatever its case and punctuation", () => {
  const found = search(QUESTIONS[0]!.text.toUpperCase().replace(/[.,?]/g, " ;"))!;
  assert.deepEqual([found.kind, found.id, found.overlap], ["exact", "q0", 1]);
});

test("a question inside a longer text is found, with the span that matches", () => {
  const text = `You are a careful clerk. ${QUESTIONS[1]!.text} Reply in one sentence, with no more than ten words.`;
  const found = search(text)!;
  assert.deepEqual([found.kind, found.id], ["n_gram", "q1"]);
  assert.equal(found.span, text.slice(found.start, found.end));
  assert.match(found.span, /^freight train carries 120 tons.*train in tons$/);
});

test("a question in other words with its numbers is found, and with other numbers it is another question", () => {
  const reworded = (loaves: number) =>
    `On Monday ${loaves} loaves of rye were sold at Anna's bakery; on Tuesday it sold half that of wheat. What was sold over the two days? (The shop has 3 ovens.)`;
  const question = { ...QUESTIONS[0]!, text: QUESTIONS[0]!.text.replace("half as many", "12") };
  const find = contaminationSearch([question, ...QUESTIONS.slice(1)], options());
  assert.equal(find(reworded(48).replace("half that", "12"))!.kind, "reworded");
  assert.equal(find(reworded(49).replace("half that", "12")), undefined);
});

test("a short question is found only where it is the whole text", () => {
  assert.equal(search("what is 7 times 8")!.kind, "exact");
  assert.equal(search("He asks: what is 7 times 8? She does not know, for she has never learnt it."), undefined);
});

/** Wording that changes a little: openings, verbs and question words, never a number. */
const reword = (text: string) =>
  text
    .replace(/\bHow many\b/g, "What number of")
    .replace(/\bhow many\b/g, "what number of")
    .replace(/\bHow much\b/g, "What amount of")
    .replace(/\b(bought|buys)\b/g, "purchased")
    .replace(/\b(has|have)\b/g, "owns")
    .replace(/\b(each|every)\b/g, "apiece")
    .replace(/\b(wants|needs)\b/g, "would like")
    .replace(/\b(gave|gives)\b/g, "handed")
    .replace(/\b(total|altogether|in all)\b/g, "combined")
    .replace(/\. /g, ", and ");

test(
  "questions of GSM8K's test split are found in its train split, and hardly anything else",
  { skip: missing },
  async () => {
    const questions = (await gsm8k("test")).map(({ id, prompt: text }) => ({ source: "gsm8k_test.jsonl", id, text }));
    const find = contaminationSearch(questions, options());
    const flagged = (await gsm8k("train")).flatMap(({ prompt }) => find(prompt) ?? []);
    assert.ok(flagged.length <= 7, `${flagged.length} of 7473 are flagged`);
    const planted = questions.filter((_, i) => i % 10 === 0);
    const misses = (change: (text: string) => string) => {
      const missed = planted.filter(({ text }) => !find(change(text)));
      return missed.length;
    };
    assert.equal(
      misses((text) => text),
      0,
    );
    assert.equal(
      misses((text) => `Solve this with care.\n\n${text}\n\nThink first, then write the result.`),
      0,
    );
    assert.equal(misses(reword), 0);
  },
);
