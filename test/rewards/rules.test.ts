import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { z } from "zod";
import type { Component } from "../../src/core/component.ts";
import { DistillError } from "../../src/core/errors.ts";
import { createRewards } from "../../src/rewards/create.ts";
import * as rewards from "../../src/rewards/index.ts";
import { judge as judgeAlone, judgeGroup, type WeightedReward } from "../../src/rewards/judge.ts";
import { countWords, detectLanguage, loadLanguages } from "../../src/rewards/language.ts";
import { openPool } from "../../src/rewards/pool.ts";
import type { Reward, RewardComponent, Sample, Score } from "../../src/rewards/reward.ts";
import { costOf, tooLong } from "../support/pace.ts";
import { scratch } from "../support/students.ts";

await loadLanguages(); // after which rules of languages answer at once

const made = (rule: Component<z.ZodObject, Reward>, options: object = {}) => rule.create(rule.options.parse(options));

/** What a rule that answers at once says of a sample. */
const judge = (
  rule: Component<z.ZodObject, Reward>,
  sample: Partial<Sample>,
  options: object = {},
  group?: readonly Sample[],
): Score => made(rule, options)({ prompt: "", completion: "", ...sample }, group) as Score;

const near = (actual: number | null, expected: number) =>
  assert.ok(actual !== null && Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);

test("tag_count gives a quarter for each tag that occurs once", () => {
  const { tag_count } = rewards;
  const whole = "<think>\na\n</think>\n<answer>\nb\n</answer>";
  assert.equal(judge(tag_count, { completion: whole }).score, 1);
  assert.equal(judge(tag_count, { completion: "<think>\na\n</think>\nb" }).score, 0.5);
  assert.equal(judge(tag_count, { completion: "a\n</think>\nb" }).score, 0.25);
  assert.equal(judge(tag_count, { completion: "a\n</think>\nb" }, { think_in_prompt: true }).score, 0.5);
  assert.equal(judge(tag_count, { completion: "nothing" }).score, 0);
  // a second block, with or without line breaks, is not the format
  assert.equal(judge(tag_count, { completion: `${whole}\n${whole}` }).score, 0);
  assert.equal(judge(tag_count, { completion: `${whole}</think>` }).score, 0.75);
});

test("exact_match is 1 where the answer is the reference and nothing else, white space aside", () => {
  const { exact_match } = rewards;
  const said = (completion: string, sample: Partial<Sample> = {}, options: object = {}) =>
    judge(exact_match, { answer: "14 +23 *2", completion, ...sample }, options);
  for (const completion of [
    "14 +23 *2",
    " 14  +23\n*2 ",
    "<think>some thought: 7</think>14 +23 *2",
    "<think></think>\n<answer> 14 +23 *2 </answer>\n",
  ])
    assert.deepEqual([said(completion).score, said(completion).verdict], [1, "correct"], completion);
  for (const completion of [
    "",
    "It is 14 +23 *2",
    "14 +23 *2.",
    "74", // the same as mathematics
    "<think>14 +23 *2",
    "<answer>14 +23 *2</answer> I think",
    "<answer>14 +23 *2</answer><answer>14 +23 *2</answer>",
  ])
    assert.deepEqual([said(completion).score, said(completion).verdict], [0, "incorrect"], completion);
  assert.equal(said("YES", { answer: "yes" }).score, 0);
  assert.equal(said("YES", { answer: "yes" }, { ignore_case: true }).score, 1);
  assert.equal(said("14 +23", { finish_reason: "length" }).verdict, "truncated");
  assert.equal(judge(exact_match, { completion: "14" }).score, null);
});

test("repetition_penalty is the share of repeated n-grams times a penalty of at most 0", () => {
  const { repetition_penalty } = rewards;
  // 6 words, 4 trigrams: a b c, b c a, c a b, a b c: 3 unique
  assert.equal(judge(repetition_penalty, { completion: "a b c A B c" }).score, -0.25);
  assert.equal(judge(repetition_penalty, { completion: "a b c a b c" }, { max_penalty: -2 }).score, -0.5);
  assert.equal(judge(repetition_penalty, { completion: "a b" }).score, 0);
  assert.equal(judge(repetition_penalty, { completion: "one two three four" }).score, 0);
  // 好好好好 is four words: 2 trigrams, 1 unique
  assert.equal(judge(repetition_penalty, { completion: "好好好好" }).score, -0.5);
  const endless = judge(repetition_penalty, { completion: "x ".repeat(1000) }).score!;
  assert.ok(endless >= -1 && endless < -0.99);
  assert.throws(() => repetition_penalty.options.parse({ max_penalty: 1 }));
});

test("cosine_length falls with length where correct, rises where wrong, and stays beyond max_len", () => {
  const { cosine_length } = rewards;
  const score = (verdict: Sample["verdict"], num_tokens: number) =>
    judge(cosine_length, { ...(verdict && { verdict }), num_tokens }, { max_len: 1000 }).score!;
  near(score("correct", 0), 1);
  near(score("correct", 500), 0.75);
  near(score("correct", 250), 0.5 + 0.25 * (1 + Math.SQRT1_2));
  near(score("correct", 1000), 0.5);
  near(score("incorrect", 0), -1);
  near(score("incorrect", 500), -0.75);
  near(score("truncated", 1000), -0.5);
  // open-r1's is periodic: at 2000 of 1000 it pays as for nothing
  for (const beyond of [1001, 1500, 2000, 1e9]) {
    near(score("correct", beyond), 0.5);
    near(score("incorrect", beyond), -0.5);
  }
});

test("cosine_length counts tokens, not characters, and says nothing without a verdict or a count", () => {
  const { cosine_length } = rewards;
  const of = (sample: Partial<Sample>) => judge(cosine_length, sample, { max_len: 1000 }).score;
  assert.equal(
    of({ verdict: "correct", num_tokens: 500, completion: "x".repeat(5000) }),
    of({ verdict: "correct", num_tokens: 500 }),
  );
  assert.equal(of({ verdict: "correct", completion: "x" }), null);
  assert.equal(of({ num_tokens: 5 }), null);
  assert.equal(of({ verdict: "unknown", num_tokens: 5 }), null);
  assert.equal(of({ verdict: "infra_error", num_tokens: 5 }), null);
});

test("length compares with the other samples of the prompt", () => {
  const sample = (num_tokens: number, verdict: "correct" | "incorrect"): Sample => ({
    prompt: "",
    completion: "",
    num_tokens,
    verdict,
  });
  const group = [
    sample(100, "correct"),
    sample(200, "correct"),
    sample(300, "correct"),
    sample(100, "incorrect"),
    sample(300, "incorrect"),
  ];
  const scores = group.map((sample) => judge(rewards.length, sample, {}, group).score);
  assert.deepEqual(scores, [0.5, 0, -0.5, 0, -0.5]);
  const equal = [sample(5, "correct"), sample(5, "incorrect")];
  assert.deepEqual(
    equal.map((sample) => judge(rewards.length, sample, {}, equal).score),
    [0, 0],
  );
  assert.equal(judge(rewards.length, sample(1, "correct")).score, null);
});

test("soft_overlong is DAPO's equation 13", () => {
  const score = (num_tokens: number) =>
    judge(rewards.soft_overlong, { num_tokens }, { max_completion_length: 100, cache: 20 }).score;
  assert.deepEqual([0, 80, 85, 90, 100, 101, 1000].map(score), [0, 0, -0.25, -0.5, -1, -1, -1]);
  assert.equal(judge(rewards.soft_overlong, {}).score, null);
  assert.throws(() => made(rewards.soft_overlong, { max_completion_length: 10, cache: 20 }), DistillError);
});

test("reasoning_steps counts up to three markers in the reasoning", () => {
  const score = (completion: string) => judge(rewards.reasoning_steps, { completion }).score!;
  assert.equal(score("<think>Step 1: a\nStep 2: b\nStep 3: c</think>4"), 1);
  assert.equal(score("1. a\n2. b"), 2 / 3);
  assert.equal(score("First, a. Next, b. Finally, c. - d"), 1);
  assert.equal(score("<think>hm</think>\n- a\n- b\n- c"), 0);
  // a negative number or a rule at the start of a line is no bullet
  assert.equal(score("\n-5\n---\n**bold**\n3.14"), 0);
});

test("language_consistency is the share of words in the target language", () => {
  const { language_consistency } = rewards;
  const score = (completion: string, options: object = { language: "en" }, prompt = "") =>
    judge(language_consistency, { completion: `<think>${completion}</think>42`, prompt }, options).score!;
  assert.equal(score("We add the numbers and then we are done."), 1);
  // 2 of 6 words are Chinese characters, 4 are English
  near(score("so we get 答案 now"), 4 / 6);
  assert.equal(score("所以答案是四"), 0);
  assert.equal(score("所以答案是四", { language: "zh" }), 1);
  assert.equal(score("それは四です", { language: "ja" }), 1);
  assert.equal(score("Мы складываем числа", { language: "ru" }), 1);
  // the German sentence has 8 of 12 words
  near(score("Now we have it. Das ist nicht die Lösung, wir müssen weiter."), 4 / 12);
  near(score("Das ist nicht die Lösung.", { language: "de" }), 1);
  assert.equal(score("Donc nous avons deux solutions pour cette équation.", { language: "en" }), 0);
  // what is no prose does not count
  assert.equal(
    score(
      "We have $\\text{答案}$ and \\(x = 答\\), see https://例え.jp/答 and `答案`\n```python\n答案 = 1\n```\nso done.",
    ),
    1,
  );
  assert.equal(score("x = y + z and so on"), 1);
  assert.equal(score("$x$"), null);
});

test("the prompt's language is the target where none is given", () => {
  const { language_consistency } = rewards;
  const of = (prompt: string, completion: string) => judge(language_consistency, { prompt, completion }).score;
  assert.equal(of("What is the sum of 3 and 4?", "We add them and get 7."), 1);
  assert.equal(of("三加四等于多少？", "We add them and get 7."), 0);
  assert.equal(of("Wie groß ist die Summe von 3 und 4?", "Wir addieren die Zahlen und sind fertig."), 1);
  assert.equal(of("3 + 4 = ?", "We add them."), null);
});

test("languages are told apart", () => {
  const sentences = {
    en: "How many of the numbers are divisible by three?",
    de: "Wie viele der Zahlen sind durch drei teilbar und nicht durch fünf?",
    fr: "Combien de nombres sont divisibles par trois et pas par cinq dans cette liste ?",
    es: "¿Cuántos de los números son divisibles por tres y no por cinco?",
    it: "Quanti dei numeri sono divisibili per tre e non per cinque?",
    pt: "Quantos dos números são divisíveis por três e não por cinco?",
    nl: "Hoeveel van de getallen zijn deelbaar door drie en niet door vijf?",
    sv: "Hur många av talen är delbara med tre och inte med fem?",
    pl: "Ile z tych liczb jest podzielnych przez trzy, ale nie przez pięć?",
    tr: "Bu sayıların kaçı üç ile bölünebilir ve beş ile değil?",
    id: "Berapa banyak dari bilangan ini yang habis dibagi tiga dan tidak lima?",
    vi: "Có bao nhiêu số trong các số này chia hết cho ba và không chia hết cho năm?",
    zh: "这些数中有多少能被三整除？",
    ja: "これらの数のうち三で割り切れるものはいくつですか。",
    ko: "이 숫자들 중 몇 개가 3으로 나누어집니까?",
    ru: "Сколько из этих чисел делится на три?",
    el: "Πόσοι από τους αριθμούς διαιρούνται με το τρία;",
    ar: "كم عدد الأرقام التي تقبل القسمة على ثلاثة؟",
    he: "כמה מהמספרים מתחלקים בשלוש?",
    hi: "इनमें से कितनी संख्याएँ तीन से विभाज्य हैं?",
    th: "มีกี่จำนวนที่หารด้วยสามลงตัว",
  };
  for (const [language, sentence] of Object.entries(sentences))
    assert.equal(detectLanguage(sentence), language, sentence);
  assert.equal(detectLanguage("$x^2 + 4$"), undefined);
});

test("Chinese in the reasoning for a Japanese or Korean prompt is not their language", () => {
  const { language_consistency, mixed_language } = rewards;
  const share = (prompt: string, reasoning: string) =>
    judge(language_consistency, { prompt, completion: `<think>${reasoning}</think>42` }).score!;
  const [japanese, korean] = ["三つの数の和はいくつですか。", "세 수의 합은 얼마입니까?"];
  const chinese = "首先我们计算三个数的和。所以答案是四十二，因为每个数等于十四。";
  assert.equal(share(japanese, chinese), 0);
  assert.equal(share(korean, chinese), 0);
  assert.equal(share(japanese, "まず三つの数を足します。合計：四十二。よって、答えは四十二です。"), 1);
  assert.equal(share(korean, "먼저 세 수를 더합니다. 그래서 답은 사십이입니다."), 1);
  const half = share(japanese, "まず三つの数を足します。然后我们把结果加起来就可以得到答案。");
  assert.ok(half > 0.2 && half < 0.7, String(half));
  assert.equal(judge(mixed_language, { prompt: korean, completion: `<think>${chinese}</think>42` }).score, 0);
});

test("Japanese in the reasoning for a Chinese or Korean prompt is not their language, and kana alone is Japanese", () => {
  const share = (prompt: string, reasoning: string) =>
    judge(rewards.language_consistency, { prompt, completion: `<think>${reasoning}</think>15` }).score;
  const japanese = "七と八を足すと十五になる。だから合計は十五です。";
  assert.equal(share("求七与八之和。", japanese), 0);
  assert.equal(share("7+8은?", japanese), 0);
  assert.equal(share("7+8은?", "칠에 팔을 더하면 십오가 됩니다."), 1);
  assert.equal(share("和ヲ求メヨ。", "ナナトハチデ ジュウゴ。"), 1);
  assert.equal(share("求七與八之和。", "從七開始，再數八步，得到十五。"), 1);
});

test("terse prompts in many languages are told by their verbs, and a letter alone tells none", () => {
  const told = {
    "Oblicz $7+8$.": "pl",
    "Hitung $7+8$": "id",
    "Beräkna.": "sv",
    "Bereken $7$.": "nl",
    "Tính $7+8$.": "vi",
  };
  for (const [prompt, language] of Object.entries(told)) assert.equal(detectLanguage(prompt), language, prompt);
  assert.equal(detectLanguage("7+8은?"), "ko");
  assert.equal(detectLanguage("Čítaj $x$"), undefined);
});

test("a terse prompt has a language, and what cannot be told asks nothing", async () => {
  for (const prompt of ["Compute $\\binom53$.", "Evaluate $2 + 2$.", "Solve $x^2 = 4$ for $x$.", "Simplify."])
    assert.equal(detectLanguage(prompt), "en", prompt);
  assert.equal(detectLanguage("Berechne $3!$."), "de");
  const rules: WeightedReward[] = [
    { name: "language_consistency", reward: made(rewards.language_consistency), weight: 1, at_least: 1 },
    { name: "mixed_language", reward: made(rewards.mixed_language), weight: 1, at_least: 1 },
  ];
  const completion = "<think>We add the numbers and then we are done.</think>4";
  const open = await judgeAlone(rules, { prompt: "$\\binom53 = ?$", completion });
  assert.deepEqual([open.accepted, open.reward], [true, null]);
  const wrong = await judgeAlone(rules, { prompt: "Berechne $3!$.", completion });
  assert.deepEqual([wrong.accepted, wrong.rewards.mixed_language], [false, 0]);
  // a rule that could not count is no rule that does not apply
  const counting = [
    { name: "cosine_length", reward: made(rewards.cosine_length, { max_len: 10 }), weight: 1, at_least: 0 },
  ];
  assert.equal((await judgeAlone(counting, { prompt: "", completion })).accepted, false);
});

test("languages that share letters are told apart sentence by sentence", () => {
  const count = (text: string, language: string) => countWords(text, language);
  const german = "Zuerst berechnen Tom und Anna gemeinsam beide Zahlen.";
  assert.deepEqual(count(german, "de"), { target: 8, total: 8 });
  assert.deepEqual(count(german, "en"), { target: 0, total: 8 });
  const english = "Gcd of both: twelve apples minus seven apples leaves five apples.";
  assert.equal(count(english, "en").target, count(english, "en").total);
});

test("a token that ends the turn is no part of the answer", async () => {
  const rule = (type: keyof typeof rewards, options: object = {}): WeightedReward[] => [
    { name: type, reward: made(rewards[type] as Component<z.ZodObject, Reward>, options), weight: 1 },
  ];
  for (const end of [
    ...["<|eot|>", "<|eos|>\n", "[|endofturn|]", "<|user|>", "<｜User｜>", "<|im_end|>", "<｜end▁of▁sentence｜>\n"],
    ...["<|eot_id|><|end_of_text|>", "</s>", "<end_of_turn>\n"],
  ]) {
    const format = await judgeAlone(rule("format"), {
      prompt: "",
      completion: `<think>a</think><answer>4</answer>${end}`,
    });
    assert.equal(format.reward, 1, end);
    const exact = await judgeAlone(rule("exact_match"), {
      prompt: "",
      completion: `<think>a</think>\n4${end}`,
      answer: "4",
    });
    assert.deepEqual([exact.verdict, exact.extracted], ["correct", "4"], end);
    const empty = await judgeAlone(rule("think_format"), { prompt: "", completion: `<think>a</think>\n${end}` });
    assert.equal(empty.reward, 0, end);
  }
  for (const own of ["<s>4</s>", "|a|b|", "a <| b |> c", "x[|", "1 < |y|>"]) {
    const inside = await judgeAlone(rule("exact_match"), { prompt: "", completion: own, answer: own });
    assert.equal(inside.verdict, "correct", own);
  }
});

test("think_format is one block of thought that is not empty, then an answer", () => {
  const score = (completion: string, think_prefilled = false) =>
    judge(rewards.think_format, { completion }, { think_prefilled }).score;
  for (const right of ["<think>\na\n</think>\n\n4", "\n<think>a < b</think>4 <answer>"])
    assert.equal(score(right), 1, right);
  for (const right of ["<think>先算</think>十", "<think>1</think>∅", "<think>\r\nso\r\n</think>\r\n\r\n$x$\r\n"])
    assert.equal(score(right), 1, right);
  for (const wrong of [
    "<think>…</think>4",
    "<think>\u200b</think>4",
    "<think>***</think>4",
    "<think>a</think>.",
    "<think>a</think>\u200b",
  ])
    assert.equal(score(wrong), 0, wrong);
  assert.equal(score("a\n</think>\n4"), 0);
  assert.equal(score("a\n</think>\n4", true), 1);
  assert.equal(score("<think>a\n</think>\n4", true), 1);
  for (const wrong of [
    ...["", "4", "<think></think>4", "<think>\n\n</think>\n4", "<think>a</think>", "<think>a</think> \n", "<think>a"],
    ...[
      "So <think>a</think>4",
      "<think>a<think>b</think>4",
      "<think>a</think>4</think>",
      "<think>a</think><think>b</think>4",
    ],
    "</think>4",
  ]) {
    assert.equal(score(wrong), 0, wrong);
    if (!wrong.startsWith("So")) assert.equal(score(wrong, true), 0, wrong);
  }
});

test("a verdict names the rule that gave it and the rule's edition", async () => {
  const [rule] = await createRewards([{ type: "exact_match", weight: 1 }]);
  const sample = { prompt: "", completion: "4", answer: "4" };
  assert.equal((await judgeAlone([rule!], sample)).version, "exact_match 1");
  assert.equal((await judgeAlone([{ ...rule!, version: "3" }], sample)).version, "exact_match 3");
  assert.equal((await judgeAlone([], sample)).version, null);
});

test("each readability filter gives 1 or 0 with its reason", () => {
  const { mixed_language, long_paragraphs, code_blocks, repetition, truncation } = rewards;
  const think = (reasoning: string, answer = "\n42") => ({ completion: `<think>\n${reasoning}\n</think>${answer}` });
  const english = "We add the numbers and then we are done with it. ";

  assert.equal(judge(mixed_language, think(english.repeat(4)), { language: "en" }).score, 1);
  const mixed = judge(mixed_language, think(`${english}所以我们`), { language: "en" });
  assert.deepEqual(mixed, { score: 0, reason: "11 of 15 words are en" });

  assert.equal(
    judge(long_paragraphs, think(`${"a".repeat(60)}\n\n${"b".repeat(60)}`), { max_characters: 100 }).score,
    1,
  );
  const long = judge(long_paragraphs, think("a".repeat(101)), { max_characters: 100 });
  assert.deepEqual(long, { score: 0, reason: "the longest paragraph has 101 characters" });
  assert.equal(judge(long_paragraphs, think("short", "a".repeat(5000))).score, 1);
  const lines = think(`${"a".repeat(60)}\r\n\r\n${"b".repeat(60)}\r\n  \r\nc`);
  assert.equal(judge(long_paragraphs, lines, { max_characters: 100 }).score, 1);
  for (const between of ["\r\r", "\n\u3000\n", "\r\n\u00a0\r\n"])
    assert.equal(
      judge(long_paragraphs, think("a".repeat(90) + between + "b".repeat(90)), { max_characters: 100 }).score,
      1,
    );
  assert.equal(judge(long_paragraphs, think("😀".repeat(100)), { max_characters: 100 }).score, 1);
  assert.equal(
    judge(long_paragraphs, think(`${"a".repeat(60)}\r\n${"b".repeat(60)}`), { max_characters: 100 }).score,
    0,
  );

  assert.equal(judge(code_blocks, think("plain", "\n```python\nprint(1)\n```")).score, 1);
  assert.equal(judge(code_blocks, think("```python\nprint(1)\n```")).score, 0);
  assert.equal(judge(code_blocks, think("```python\nnever closed")).score, 0);
  assert.equal(judge(code_blocks, think("```\na\n```\n"), { max_blocks: 1 }).score, 1);

  assert.equal(judge(repetition, think(english)).score, 1);
  assert.equal(judge(repetition, think(english.repeat(20))).score, 0);
  assert.equal(
    judge(repetition, { completion: `one\ntwo\n${"wait\n".repeat(4)}` }).reason,
    "it ends in 4 copies of one line",
  );
  assert.equal(judge(repetition, { completion: `one\ntwo\n${"wait\n".repeat(3)}` }).score, 1);

  assert.equal(judge(truncation, { ...think("a"), finish_reason: "stop" }).score, 1);
  assert.equal(judge(truncation, { ...think("a"), finish_reason: "length" }).score, 0);
  assert.equal(judge(truncation, { completion: "<think>a" }).score, 0);
  assert.equal(judge(truncation, think("a", " ")).score, 0);
  // TRL's think_format_reward pays for a second </think>
  assert.equal(judge(truncation, think("a", "b</think>c")).score, 0);
});

const compared: Reward = ({ completion }) =>
  completion === "?"
    ? { score: null, verdict: "unknown", reason: "no reference" }
    : {
        score: Number(completion === "4"),
        verdict: completion === "4" ? "correct" : "incorrect",
        reason: "compared",
      };
const withLength: WeightedReward[] = [
  { name: "accuracy", reward: compared, weight: 1 },
  { name: "length", reward: made(rewards.length), weight: 0.5, at_least: 0, ofGroup: true },
];

test("scores that are unknown are left out of the sum", async () => {
  const rules = [1, null, -1].map((score, i) => ({
    name: `rule ${i}`,
    reward: () => ({ score, reason: "fixed" }),
    weight: [1, 5, 0.25][i]!,
  }));
  const sample = { prompt: "", completion: "" };
  assert.equal((await judgeAlone(rules, sample)).reward, 0.75);
  assert.equal((await judgeAlone(rules.slice(1, 2), sample)).reward, null);
});

test("rules of a group see each other's verdict and the group, and keep to their own sample", async () => {
  const samples = [
    ["4", 10],
    ["5", 20],
    ["4", 30],
    ["?", 20],
  ].map(([completion, num_tokens]) => ({
    prompt: "2 + 2",
    completion: completion as string,
    num_tokens: num_tokens as number,
  }));
  const judged = await judgeGroup(withLength, samples);
  assert.deepEqual(
    judged.map(({ reward, verdict, accepted }) => [reward, verdict, accepted]),
    [
      [1.25, "correct", true],
      [0, "incorrect", false],
      [0.75, "correct", false],
      [null, "unknown", false],
    ],
  );
  assert.deepEqual(judged[2]!.rewards, { accuracy: 1, length: -0.5 });
  assert.match(judged[2]!.reason, /^length: correct in 30 tokens of 10 to 30$/);
});

test("a sample that is judged before its group is there is not refused for what only the group can say", async () => {
  const judged = await judgeAlone(withLength, { prompt: "2 + 2", completion: "4", num_tokens: 30 });
  assert.deepEqual(judged.rewards, { accuracy: 1, length: null });
  assert.ok(judged.accepted);
});

test("a rule that builds on a verdict has it, alone as in a group", async () => {
  const rules = [
    { name: "accuracy", reward: compared, weight: 1 },
    { name: "cosine_length", reward: made(rewards.cosine_length, { max_len: 100 }), weight: 1 },
  ];
  const sample = { prompt: "2 + 2", completion: "4", num_tokens: 100 };
  const alone = await judgeAlone(rules, sample);
  assert.deepEqual(alone.rewards, { accuracy: 1, cosine_length: 0.5 });
  assert.deepEqual(await judgeGroup(rules, [sample]), [alone]);
});

test("a rule needs an answer, or says the same with any", async () => {
  const asked = { prompt: "What is it?", completion: "<think>\nwell\n</think>\n\\boxed{4}", num_tokens: 9 };
  for (const [name, rule] of Object.entries(rewards) as [string, RewardComponent][]) {
    const said = async (sample: Sample) => made(rule)(sample, [sample]);
    const without = await said({ ...asked, verdict: "correct" });
    if (rule.needsAnswer) assert.deepEqual([without.score, without.verdict], [null, "unknown"], name);
    else assert.deepEqual(without, await said({ ...asked, verdict: "correct", answer: "5" }), name);
  }
});

test("rules judge on the threads of a pool as they do here, and those that stay on this thread make no pool", async () => {
  const samples = ["\\boxed{4}", "<think>\na\n</think>\n\\boxed{5}", "4 4 4 4 4 4 4 4"].map((completion) => ({
    prompt: "2 + 2",
    completion,
    answer: "4",
    num_tokens: completion.length,
  }));
  const all = Object.entries(rewards) as [string, RewardComponent][];
  const specs = all.map(([type, { options }]) => ({ type, weight: 1, ...options.parse({}) }));
  const pooled = specs.filter(({ type }) => !(rewards as Record<string, RewardComponent>)[type]!.ownThread);
  const here = await createRewards(pooled);
  const pool = await openPool(pooled, 2);
  try {
    assert.equal(pool.width, 3);
    assert.deepEqual(await pool.judge(samples), await Promise.all(samples.map((sample) => judgeAlone(here, sample))));
  } finally {
    await pool.close();
  }
  const path = join(scratch(), "mine.mjs");
  writeFileSync(path, "export default () => ({ score: 1, reason: 'mine' })");
  const alone = [...specs.filter((spec) => !pooled.includes(spec)), { type: "module", weight: 1, path }];
  assert.ok(alone.length > 1);
  for (const spec of alone) {
    const { width, close } = await openPool([spec], 2);
    await close();
    assert.equal(width, 1, spec.type);
  }
});

test("every rule takes its defaults, refuses unknown options and gives a score with a reason", async () => {
  for (const [name, rule] of Object.entries(rewards) as [string, Component<z.ZodObject, Reward>][]) {
    assert.throws(() => rule.options.parse({ no_such_option: 1 }), name);
    const { score, reason } = await made(rule)({ prompt: "What is it?", completion: "" });
    assert.ok(score === null || Number.isFinite(score), name);
    assert.ok(reason.length > 0, name);
  }
});

test("hostile text is judged in a moment", () => {
  const texts = [
    "`".repeat(20_000),
    "$".repeat(20_001),
    "\\(".repeat(20_000),
    "<think>".repeat(20_000),
    "```\n".repeat(20_000),
    "\\begin{a}".repeat(10_000),
    " ".repeat(100_000),
    "http://".repeat(20_000),
    "a\n".repeat(50_000),
  ];
  const cost = costOf(() => {
    for (const { options, create } of Object.values(rewards) as Component<z.ZodObject, Reward>[])
      for (const completion of texts)
        create(options.parse({}))({ prompt: "What is it?", completion, num_tokens: 1, verdict: "correct" });
  });
  assert.equal(tooLong(cost, 10), undefined);
});
