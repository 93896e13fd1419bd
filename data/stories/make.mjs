// Makes what stands beside it, from the generator `stories`: npm run build && node data/stories/make.mjs
//   tokenizer.json, tokenizer_config.json   byte-level BPE of the words of the world; digits stay single
//   train.jsonl, test.jsonl                 problems without their solutions; the splits share no prompt
import { writeFileSync } from "node:fs";
import { stories } from "../../dist/data/generators/stories.js";

const VOCABULARY = 640;
const TAGS = ["<think>", "</think>", "<answer>", "</answer>"];
const EOS = "<|end|>";
const here = (name) => new URL(name, import.meta.url);

const take = (options, split, seed, count) => {
  const problems = new Map();
  for (const problem of stories.create(stories.options.parse(options))(split, seed)) {
    problems.set(problem.prompt, problem);
    if (problems.size === count) return [...problems.values()];
  }
};

for (const [split, count] of [["train", 2000], ["test", 500]]) {
  const rows = take({ reasoned: 1, steps: [3, 5] }, split, 7, count);
  const line = ({ prompt, answer }, i) => JSON.stringify({ id: `${split}-${i + 1}`, prompt, answer });
  writeFileSync(here(`${split}.jsonl`), `${rows.map(line).join("\n")}\n`);
}

// GPT-2's map from bytes to printable characters, and its split into words
const printable = [...Array(256).keys()].filter((b) => (b >= 33 && b <= 126) || (b >= 161 && b !== 173));
const character = new Map(printable.map((b) => [b, String.fromCharCode(b)]));
for (let b = 0, next = 256; b < 256; b++) if (!character.has(b)) character.set(b, String.fromCharCode(next++));
const WORDS = / ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

const counts = new Map();
const all = { reasoned: 4, single: 1, bare: 1, restate: 1, chain: 1, mistakes: 0.05 };
for (const { prompt, completion } of take(all, "train", 1, 20_000))
  for (const text of `${prompt}\n${completion}`.split(/<\/?(?:think|answer)>/))
    for (const [word] of text.matchAll(WORDS)) {
      const symbols = [...Buffer.from(word)].map((byte) => character.get(byte)).join("");
      if (!/\p{N}/u.test(word)) counts.set(symbols, (counts.get(symbols) ?? 0) + 1);
    }

const words = [...counts].map(([word, count]) => ({ parts: [...word], count }));
const merges = [];
while (256 + merges.length + TAGS.length + 1 < VOCABULARY) {
  const pairs = new Map();
  for (const { parts, count } of words)
    for (let i = 1; i < parts.length; i++) {
      const pair = `${parts[i - 1]} ${parts[i]}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + count);
    }
  if (pairs.size === 0) break;
  const [best] = [...pairs].reduce((a, b) => (b[1] > a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a));
  merges.push(best);
  const [left, right] = best.split(" ");
  for (const word of words)
    for (let i = 1; i < word.parts.length; i++)
      if (word.parts[i - 1] === left && word.parts[i] === right) word.parts.splice(i - 1, 2, left + right);
}
console.log(`${merges.length} merges; ${words.filter(({ parts }) => parts.length > 1).length} of ${words.length} words are not whole`);

const tokens = [...character.values(), ...merges.map((merge) => merge.replace(" ", ""))];
const added = [EOS, ...TAGS].map((content, i) => ({
  id: tokens.length + i,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: content === EOS,
}));
const tokenizer = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: added,
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges,
  },
};
writeFileSync(here("tokenizer.json"), `${JSON.stringify(tokenizer)}\n`);
const config = {
  tokenizer_class: "PreTrainedTokenizerFast",
  eos_token: EOS,
  pad_token: EOS,
  add_bos_token: false,
  model_max_length: 512,
  clean_up_tokenization_spaces: false,
  chat_template:
    "{% for message in messages %}{{ message['content'] }}{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}",
};
writeFileSync(here("tokenizer_config.json"), `${JSON.stringify(config, null, 2)}\n`);
