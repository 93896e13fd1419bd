import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { LlamaModel } from "node-llama-cpp";
import { DistillError } from "../../../src/core/errors.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { BYTE_CHARACTERS } from "../../../src/data/byte-level.ts";
import { loadTokenizer } from "../../../src/data/tokenizer.ts";
import { ggufTokenizer } from "../../../src/exporters/gguf/tokenizer.ts";
import { gguf } from "../../../src/exporters/gguf.ts";
import { loadOnProcessor } from "../../../src/teachers/llama-cpp/start.ts";
import { ARITHMETIC_TOKENIZER, writeModel } from "../../support/models.ts";
import { BYTE_LEVEL, type TokenizerSpec, writeTokenizer } from "../../support/tokenizers.ts";
import { TOY } from "../../support/training.ts";

const folder = mkdtempSync(join(tmpdir(), "gguf-tokenizer-"));
let folders = 0;
const next = () => join(folder, `${folders++}`);

const SPLIT = (pattern: string) => ({
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false },
    { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
  ],
});
const CONTRACTIONS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`;
const REST = String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const DIGITS = {
  type: "Sequence",
  pretokenizers: [{ type: "Digits", individual_digits: true }, BYTE_LEVEL],
};
const ENGLISH = [
  "Ġthe",
  "Ġthen",
  "Ġapples",
  "Ġdouble",
  "the",
  "Tom",
  "Ġ12",
  "123",
  "..",
  "Ċ",
  "ĊĊ",
  "'s",
  "Ġ=",
  "ĠâĤ¬",
  "Ã©t",
];
const added = [
  ["<eos>", true],
  ["<pad>", true],
  ["<think>", false],
  ["</think>", false],
] as const;

const BYTES = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
const BLANKS = { type: "Replace", pattern: { String: " " }, content: "▁" };
const SENTENCE_PIECE: Partial<TokenizerSpec> = {
  normalizer: BLANKS,
  pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
  model: { byte_fallback: true, fuse_unk: true },
  every_way: true,
};
const PIECES = ["▁the", "▁then", "▁apples", "▁▁", "▁double", "▁12", "he", "them", "..", "\n\n", "été"];

/** Tokenizers that are exported, and letters from which random texts are made. */
const SPECS: Record<string, [spec: TokenizerSpec, letters: string]> = {
  "single characters": [{ characters: [..."abc 12\n=+"], added }, "abc 12\n=+<think></think>xyz"],
  "characters of several bytes": [{ characters: [..."aé€—😀 \n"], added }, "aé€—–😁😀 \nü<eos>"],
  "words of characters, without a pre-tokenizer": [
    { characters: [..."theapls12 .,\n'"], words: [" the", " apples", "12", "the", "'s"], added },
    " theapples12.,'\n",
  ],
  "SentencePiece's": [
    { ...SENTENCE_PIECE, characters: [...BYTES, ..."▁abcdehlmnopstuTH0123é\n.,'+="], words: PIECES, added },
    "",
  ],
  "SentencePiece's with a blank in front": [
    {
      ...SENTENCE_PIECE,
      normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, BLANKS] },
      pre_tokenizer: null,
      characters: [...BYTES, ..."▁abcdehlmnopstuTH0123é\n.,'+="],
      words: PIECES,
      added: [["<eos>", true]],
    },
    " theapplns12.é\nz–",
  ],
  "bytes cut as GPT-2 does": [{ characters: BYTE_CHARACTERS, words: ENGLISH, pre_tokenizer: BYTE_LEVEL, added }, ""],
  "bytes with single digits": [{ characters: BYTE_CHARACTERS, words: ENGLISH, pre_tokenizer: DIGITS, added }, ""],
  "bytes cut as Qwen 2 does": [
    { characters: BYTE_CHARACTERS, words: ENGLISH, pre_tokenizer: SPLIT(`${CONTRACTIONS}\\p{N}${REST}`), added },
    "",
  ],
  "bytes cut as Llama 3 does": [
    { characters: BYTE_CHARACTERS, words: ENGLISH, pre_tokenizer: SPLIT(`${CONTRACTIONS}\\p{N}{1,3}${REST}`), added },
    "",
  ],
  "bytes cut as Llama 3 does, words first": [
    {
      characters: BYTE_CHARACTERS,
      words: ENGLISH,
      pre_tokenizer: SPLIT(`${CONTRACTIONS}\\p{N}{1,3}${REST}`),
      added,
      model: { ignore_merges: true },
    },
    "",
  ],
};

const TEXT =
  "Tom's 12 apples, then the 123 + 4567 = 0?\n\n  He  doubles\tthem... <think>été € 😀</think> .. \r\n'd 'S the<eos>";

function* texts(letters: string): Generator<string> {
  const random = seededRandom(7);
  const pieces = letters
    ? [...letters]
    : [...TEXT, " the", "Tom", " apples", "\n\n", "  ", "<think>", "</think>", "<eos>"];
  yield TEXT;
  for (let i = 0; i < 200; i++)
    yield Array.from({ length: 1 + random.below(24) }, () => pieces[random.below(pieces.length)]!).join("");
}

const models: LlamaModel[] = [];
after(() => Promise.all(models.map((model) => model.dispose())));

async function vocabulary(tokenizer: string, vocab_size: number): Promise<LlamaModel> {
  const source = await writeModel(next(), { ...TOY, vocab_size, num_hidden_layers: 1 }, { tokenizer });
  const [file] = await gguf.create({ types: ["f32"] })({ folder: source }, next());
  const { model } = await loadOnProcessor({ modelPath: file!.path, vocabOnly: true });
  models.push(model);
  return model;
}

for (const [name, [spec, letters]] of Object.entries(SPECS))
  test(`llama.cpp gives the same ids for a tokenizer of ${name}`, async () => {
    const path = next();
    const size = writeTokenizer(path, spec);
    const model = await vocabulary(path, size + 5);
    const tokenizer = loadTokenizer(path);
    for (const text of texts(letters)) {
      const ids = tokenizer.encode(text);
      assert.deepEqual(model.tokenize(text, true), ids, JSON.stringify(text));
    }
  });

test("the arithmetic recipe's tokenizer is the same in llama.cpp, its stop token too", async () => {
  const model = await vocabulary(ARITHMETIC_TOKENIZER, 23);
  const tokenizer = loadTokenizer(ARITHMETIC_TOKENIZER);
  const text = "37*48+5=?<think>37*8=296\n37*40=1480\n</think><answer>1781</answer><eos>";
  assert.deepEqual(model.tokenize(text, true), tokenizer.encode(text));
  for (const letters of texts("0123456789*+-=? \n<answer></answer><think></think>"))
    assert.deepEqual(model.tokenize(letters, true), tokenizer.encode(letters), JSON.stringify(letters));
  assert.equal(model.tokens.eos, tokenizer.eos);
  assert.equal(model.tokens.shouldPrependBosToken, false);
  assert.ok(model.isEogToken(model.tokens.eos!));
  assert.ok(!model.isEogToken(model.tokenize("3")[0]!));
  assert.equal(model.detokenize(model.tokenize("1 ?\n2 .", true)), "1 ?\n2 ");
});

test("llama.cpp stops at the token with which the student's template ends a turn, whatever it is called", async () => {
  const path = next();
  const chat_template =
    "{% for m in messages %}{{ m.role }}: {{ m.content }}[STOP]{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
  const size = writeTokenizer(path, {
    characters: BYTE_CHARACTERS,
    pre_tokenizer: BYTE_LEVEL,
    added: [
      ["<eos>", true],
      ["[STOP]", true],
      ["[OTHER]", true],
    ],
    config: { chat_template },
  });
  const { stops, encode } = loadTokenizer(path);
  const [eos, stop, other] = ["<eos>", "[STOP]", "[OTHER]"].map((text) => encode(text)[0]!);
  assert.deepEqual(stops, [eos, stop]);
  const model = await vocabulary(path, size);
  for (const token of stops) assert.ok(model.isEogToken(token as never), `${token}`);
  assert.ok(!model.isEogToken(other as never));
});

test("pieces of SentencePiece that stand for blanks are made of blanks", async () => {
  const path = next();
  const size = writeTokenizer(path, {
    ...SENTENCE_PIECE,
    characters: [...BYTES, ..."▁abhetr\n"],
    words: ["▁▁", "▁▁▁", "▁▁▁▁", "the", "▁the"],
    added: [
      ["<eos>", true],
      ["▁▁", false],
      ["▁▁▁", false],
      ["▁▁▁▁", false],
    ],
  });
  const [model, tokenizer] = [await vocabulary(path, size), loadTokenizer(path)];
  assert.equal(tokenizer.encode("a   the").length, 3);
  for (const text of texts(" abhetr\n")) assert.deepEqual(model.tokenize(text, true), tokenizer.encode(text));
  assert.equal(model.detokenize(model.tokenize("a   b", true)), "a   b");
});

test("a BOS token, a pad token and a chat template come along", () => {
  const path = next();
  const chat_template = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}";
  writeTokenizer(path, {
    characters: [..."ab"],
    added: [
      ["</s>", true],
      ["<s>", true],
      ["<pad>", true],
    ],
    config: { bos_token: { content: "<s>" }, pad_token: "<pad>", add_bos_token: true, chat_template },
  });
  const value = (key: string) => ggufTokenizer(path, 8).get(`tokenizer.${key}`)?.value;
  assert.equal(value("ggml.bos_token_id"), 1);
  assert.equal(value("ggml.add_bos_token"), true);
  assert.equal(value("ggml.padding_token_id"), 2);
  assert.equal(value("chat_template"), chat_template);
  assert.deepEqual(value("ggml.tokens"), ["</s>", "<s>", "<pad>", "a", "b", "[PAD5]", "[PAD6]", "[PAD7]"]);
  assert.deepEqual(value("ggml.token_type"), [3, 3, 3, 1, 1, 5, 5, 5]);
});

const REFUSED: Record<string, [spec: Partial<TokenizerSpec>, message: RegExp]> = {
  "a WordLevel model": [{ model: { type: "WordLevel" } }, /its model is "WordLevel"/],
  "an unknown pre-tokenizer": [{ pre_tokenizer: { type: "Whitespace" } }, /its pre-tokenizer is "Whitespace"/],
  "a token for unknown characters": [{ model: { unk_token: "<eos>" } }, /writes "<eos>" for characters/],
  "merges across words": [{ characters: [..."a b"], words: ["a b"] }, /merges make "a ", which llama.cpp cuts/],
  "byte fallback without SentencePiece's blanks": [
    { model: { byte_fallback: true } },
    /falls back to bytes, and its normalizer is none/,
  ],
  "merges in no order of pieces": [
    {
      ...SENTENCE_PIECE,
      characters: [..."abc"],
      model: {
        byte_fallback: true,
        merges: [
          ["a", "b"],
          ["a", "a"],
          ["a", "b"],
        ],
        vocab: { "<eos>": 0, a: 1, b: 2, ab: 3, aa: 4 },
      },
    },
    /make "ab" early and late/,
  ],
  "runs that do not grow from the left": [
    {
      ...SENTENCE_PIECE,
      characters: ["a"],
      model: {
        byte_fallback: true,
        merges: [
          ["a", "a"],
          ["a", "aa"],
          ["aa", "aa"],
          ["aa", "a"],
        ],
        vocab: { "<eos>": 0, a: 1, aa: 2, aaa: 3, aaaa: 4 },
      },
    },
    /make "aa" early and late/,
  ],
  "merges that leave out a way": [
    { ...SENTENCE_PIECE, characters: [..."abc"], words: ["ab", "bc", "abc"], every_way: false },
    /leave out a way to make "abc"/,
  ],
  "more tokens than the model": [{ characters: [..."abcdefghij"] }, /has 11 tokens, and the model's vocab_size is 8/],
  "two spellings that fall together": [
    {
      characters: ["a", " "],
      added: [
        ["<eos>", true],
        ["Ġ", false],
      ],
    },
    /two of its tokens are spelled "Ġ"/,
  ],
};

for (const [name, [spec, message]] of Object.entries(REFUSED))
  test(`a tokenizer with ${name} is refused in a sentence`, () => {
    const path = next();
    writeTokenizer(path, { characters: ["a"], ...spec });
    assert.throws(
      () => ggufTokenizer(path, 8),
      (error) => error instanceof DistillError && message.test(error.message),
    );
  });
