import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Problem } from "../../../src/data/generators/generator.ts";
import { stories } from "../../../src/data/generators/stories.ts";
import { loadTokenizer } from "../../../src/data/tokenizer.ts";

function take(count: number, options: object, split: "train" | "test" = "train", seed = 1): Problem[] {
  const problems: Problem[] = [];
  for (const problem of stories.create(stories.options.parse(options))(split, seed)) {
    problems.push(problem);
    if (problems.length === count) break;
  }
  return problems;
}

/** What a chain such as "14 +23 *2 -9" comes to. */
const comesTo = (chain: string) =>
  chain.split(" ").reduce((value, step, i) => {
    if (i === 0) return Number(step);
    const by = Number(step.slice(1));
    return { "+": value + by, "-": value - by, "*": value * by, "/": value / by }[step[0]!]!;
  }, 0);

test("every line of a solution that is not taken back is true, and the chain it starts with comes to the answer", () => {
  let takenBack = 0;
  for (const { completion, answer } of take(500, { reasoned: 1, mistakes: 0.1 })) {
    const [, chain, lines] = /^<think>(.*?)\n([\s\S]*)<\/think><answer>\d+<\/answer>$/.exec(completion)!;
    assert.equal(String(comesTo(chain!)), answer);
    assert.ok(completion.endsWith(`<answer>${answer}</answer>`));
    for (const line of lines!.split("\n")) {
      const [, left, sign, by, result, back, ok] = /^(\d+)([-+/])(\d+)=(\d+); check .*=(\d+), (ok|not)/.exec(line)!;
      const right = comesTo(`${left} ${sign}${by}`) === Number(result);
      assert.equal(right, ok === "ok", line);
      assert.equal(back === left, right, line);
      if (!right) takenBack++;
    }
  }
  assert.ok(takenBack > 50);
});

test("lines in the second language are true as well, and as many as was asked", () => {
  const SIGNS: Record<string, string> = { 加: "+", 减: "-", 除: "/" };
  const linesOf = (chinese: object) =>
    take(400, { reasoned: 1, mistakes: 0.1, chinese }).map(({ completion, answer }) => {
      const [, chain, lines] = /^<think>(.*?)\n([\s\S]*)<\/think>/.exec(completion)!;
      assert.equal(String(comesTo(chain!)), answer);
      return lines!.split("\n");
    });
  const isChinese = (line: string) => /得/.test(line);
  for (const lines of linesOf({ share: 1, mixing: 0 }))
    for (const line of lines) {
      const [, left, sign, by, result, end] = /^(\d+)(加|减|除)(\d+)得(\d+)(。|，不对。)$/.exec(line)!;
      assert.equal(comesTo(`${left} ${SIGNS[sign!]}${by}`) === Number(result), end === "。", line);
    }
  const mixed = linesOf({ share: 0.6, mixing: 0.2 });
  const share = mixed.filter((lines) => lines.filter(isChinese).length > lines.length / 2).length / mixed.length;
  assert.ok(share > 0.5 && share < 0.65, `${share} of the solutions are mostly Chinese`);
  assert.ok(mixed.some((lines) => lines.some(isChinese) && !lines.every(isChinese)));
  assert.ok(
    linesOf({ share: 0, mixing: 0 })
      .flat()
      .every((line) => !isChinese(line)),
  );
});

test("the splits share no prompt, whatever the seed, and a seed gives the same problems again", () => {
  const train = new Set(take(3000, { reasoned: 1 }).map(({ prompt }) => prompt));
  for (const seed of [1, 2])
    for (const { prompt } of take(200, { reasoned: 1 }, "test", seed)) assert.ok(!train.has(prompt));
  assert.deepEqual(take(20, { bare: 1 }), take(20, { bare: 1 }));
  assert.notDeepEqual(take(20, { bare: 1 }), take(20, { bare: 1 }, "train", 2));
});

test("the prompts in data/stories are of their split, and the tokenizer has every word of them", () => {
  const prompts = (split: string) =>
    readFileSync(`data/stories/${split}.jsonl`, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).prompt as string);
  const train = new Set(prompts("train"));
  assert.ok(prompts("test").every((prompt) => !train.has(prompt)));
  const { encode, decode } = loadTokenizer("data/stories");
  for (const { prompt, completion } of take(200, { reasoned: 1, mistakes: 0.1 })) {
    const ids = encode(`${prompt}${completion}`);
    assert.equal(decode(ids), `${prompt}${completion}`);
    assert.ok(ids.length < 400);
  }
});
