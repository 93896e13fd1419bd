import assert from "node:assert/strict";
import { test } from "node:test";
import { RuleSpecs } from "../../src/judging/options.ts";
import { PROMPT, questionOf, readOpinion, requirePlaces } from "../../src/judging/question.ts";

const words = { accept_word: "yes", reject_word: "no" };
const verdict = (completion: string, said = words) => readOpinion({ completion, finish_reason: "stop" }, said).verdict;

test("the last line of a judge's answer is its verdict, whatever is around the word", () => {
  for (const answer of [
    "yes",
    "Yes",
    "YES.",
    "The result is 4.\nyes",
    "so\n\n**Yes**\n",
    '"yes"',
    "- yes",
    "> *Yes*.",
    "yes\r\n",
  ])
    assert.equal(verdict(answer), "correct", answer);
  for (const answer of ["no", "No.", "it says 4, not 5\n__no__", "yes\nno", "`no`"])
    assert.equal(verdict(answer), "incorrect", answer);
});

test("what is not one of the words alone says nothing", () => {
  for (const answer of [
    "",
    " \n ",
    "yes and no",
    "yes\nI am not sure.",
    "Verdict: yes",
    "yes, it is the same",
    "not yes",
    "yes no",
    "nope",
    "ja",
    "yes\n```",
    "<think>yes",
    "<think>it is right\nyes",
  ])
    assert.equal(verdict(answer), "unknown", JSON.stringify(answer));
});

test("what a judge thinks is not what it says", () => {
  assert.equal(verdict("<think>first I thought\nno\n</think>\n4 is 4.\nyes"), "correct");
  assert.equal(verdict("the template opened the thoughts\nyes</think>no"), "incorrect");
});

test("an answer that was cut says nothing, whatever it ended with", () => {
  const cut = readOpinion({ completion: "It is\nyes", finish_reason: "length" }, words);
  assert.deepEqual(cut, { verdict: "unknown", reason: "its answer was cut" });
});

test("the words may be others", () => {
  const said = { accept_word: "GLEICH", reject_word: "nicht gleich" };
  assert.equal(verdict("Beide sind 4.\ngleich", said), "correct");
  assert.equal(verdict("**Nicht gleich.**", said), "incorrect");
  assert.equal(verdict("yes", said), "unknown");
  const chinese = { accept_word: "正确", reject_word: "错误" };
  assert.equal(verdict("结果相同。\n正确。", chinese), "correct");
});

test("a judge sees question, reference and answer as they are, and no reasoning", () => {
  const sample = {
    prompt: "What is {completion} of $1?",
    answer: "a $& b",
    completion: "<think>secret {prompt}</think>\n\\frac{1}{2} {reference}\n",
  };
  assert.equal(
    questionOf("{prompt}|{reference}|{completion}|{prompt}", sample),
    "What is {completion} of $1?|a $& b|\\frac{1}{2} {reference}|What is {completion} of $1?",
  );
  const asked = questionOf(PROMPT, sample);
  assert.doesNotMatch(asked, /secret/);
  assert.ok(asked.includes("What is {completion} of $1?") && asked.includes("a $& b"));
});

test("a text with other places, or without the answer's, is refused", () => {
  assert.equal(requirePlaces(PROMPT), undefined);
  assert.match(requirePlaces("{question} {completion}")!, /^\{question\} is no place of it; expected \{prompt\}/);
  assert.match(requirePlaces("is it right?")!, /"\{completion\}" in it/);
});

const teacher = { type: "llama_cpp", path: "judge.gguf" };
const refused = (rules: unknown): string => {
  const parsed = RuleSpecs.safeParse(rules);
  return parsed.success
    ? ""
    : parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
};

test("rules that say whether an answer is right may have a judge, and one rule of a list", () => {
  assert.equal(refused([{ type: "accuracy", judge: { teacher } }]), "");
  assert.equal(refused([{ type: "module", path: "mine.js", judge: { teacher } }]), "");
  assert.match(refused([{ type: "format", judge: { teacher } }]), /judge/);
  assert.match(
    refused([
      { type: "accuracy", judge: { teacher } },
      { type: "exact_match", judge: { teacher } },
    ]),
    /several rules have a judge/,
  );
});

test("what a judge cannot be is refused by its key", () => {
  const judge = (options: object) => refused([{ type: "accuracy", judge: { teacher, ...options } }]);
  assert.match(judge({ prompt: "{question}" }), /^0\.judge\.prompt: \{question\} is no place/);
  assert.match(judge({ reject_word: "Yes" }), /^0\.judge\.reject_word: it is the word that accepts/);
  assert.match(judge({ when: ["correct"] }), /^0\.judge\.when\.0:/);
  assert.match(judge({ when: [] }), /^0\.judge\.when:/);
  assert.match(judge({ max_completion_length: 0 }), /^0\.judge\.max_completion_length:/);
  assert.match(judge({ words: ["yes"] }), /words/);
  assert.match(refused([{ type: "accuracy", judge: {} }]), /^0\.judge\.teacher:/);
  const batch = { type: "openai", base_url: "http://127.0.0.1:1/v1", batch: {} };
  assert.match(judge({ teacher: batch }), /^0\.judge\.teacher\.batch: .*not in batches/);
});
