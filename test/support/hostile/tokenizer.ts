/** @file Tokenizer folders that lie: tokenizer.json, tokenizer_config.json and the chat template in it. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WORDS } from "../../../src/data/pre-tokenizers.ts";
import { loadTokenizer } from "../../../src/data/tokenizer.ts";
import { BYTE_LEVEL, type TokenizerSpec, writeTokenizer } from "../tokenizers.ts";
import { damage } from "./bytes.ts";
import { mutateJson } from "./json.ts";
import { pick, type Target } from "./target.ts";

const TEXTS = ["12 + 34 = 46", `${"a".repeat(60)}!  \n\n🙂 ñ \u0000 <eos> ▁`, " ", "aab ".repeat(2000)];
const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false });
const sequence = (...pretokenizers: object[]) => ({ type: "Sequence", pretokenizers });
const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
const pieces = { type: "Replace", pattern: { String: " " }, content: "▁" };

const added = [
  ["<eos>", true],
  ["<unk>", true],
  ["aab", false],
] as const;
const SPECS: TokenizerSpec[] = [
  { characters: [..."Ġab1234+="], words: ["aa", "ab", "12"], pre_tokenizer: BYTE_LEVEL, added },
  {
    characters: [..."Ġab1234"],
    words: ["aab"],
    pre_tokenizer: sequence(split(WORDS.LLAMA_3), { ...BYTE_LEVEL, use_regex: false }),
    normalizer: { type: "NFC" },
    added,
    model: { ignore_merges: true },
  },
  {
    characters: [...bytes, "▁", "a", "b"],
    words: ["▁a", "▁aa"],
    every_way: true,
    normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, pieces] },
    added,
    model: { byte_fallback: true, unk_token: "<unk>", fuse_unk: true },
    config: { unk_token: "<unk>", chat_template: "{% for m in messages %}{{ m.role + ': ' + m.content }}{% endfor %}" },
  },
];

/** Parts that are grafted in anywhere. */
const STRANGE = [
  ...[
    "Lowercase",
    "NFKD",
    "ByteLevel",
    "BPEDecoder",
    "Fuse",
    "WordPiece",
    "Unigram",
    "Whitespace",
    "Digits",
    "CTC",
  ].map((type) => ({ type })),
  split("(a+)+$"),
  split("(?:a|aa)*c"),
  split("(a*)*b"),
  split(""),
  split("["),
  { type: "Replace", pattern: { Regex: "" }, content: "x".repeat(4000) },
  { type: "Replace", pattern: { String: "a" }, content: "aa" },
  { type: "Prepend", prepend: "a".repeat(4000) },
  { type: "FixedLength", length: 0 },
  { type: "FixedLength", length: -1 },
  { type: "Metaspace", replacement: "▁".repeat(1000), prepend_scheme: "always" },
  sequence(...new Array(30).fill({ type: "ByteLevel" })),
  { type: "Sequence", normalizers: new Array(30).fill({ type: "Replace", pattern: { String: "a" }, content: "aa" }) },
  {
    type: "Sequence",
    processors: new Array(30).fill({
      type: "TemplateProcessing",
      single: [{ Sequence: { id: "A" } }, { Sequence: { id: "A" } }],
      pair: [],
    }),
  },
  { type: "TemplateProcessing", single: new Array(3000).fill({ Sequence: { id: "A", type_id: 0 } }), pair: [] },
  { type: "BertProcessing" },
  { type: "Sequence", decoders: new Array(30).fill({ type: "Replace", pattern: { String: "a" }, content: "aa" }) },
  { type: "BPE", vocab: { a: 0, aa: 1, aaa: 2 }, merges: ["a a", "aa a", "a aa"] },
  { type: "BPE", vocab: { a: 4_000_000_000 }, merges: [] },
  { type: "BPE", vocab: {}, merges: ["a b"] },
  {
    type: "Unigram",
    vocab: [
      ["a", 0],
      ["aa", -1],
      ["<unk>", Number.NaN],
    ],
    unk_id: 2,
  },
  {
    type: "Unigram",
    vocab: [
      ["a", 0],
      ["aa", -1],
    ],
    unk_id: 0,
  },
  {
    type: "Unigram",
    vocab: [
      ["a".repeat(4000), 0],
      ["<unk>", -1],
    ],
    unk_id: 1,
  },
  { type: "Unigram", vocab: [], unk_id: 9 },
  {
    type: "WordPiece",
    vocab: { a: 0, "##a": 1 },
    unk_token: "<unk>",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 1e9,
  },
  { id: 2 ** 32 - 2, content: "a", special: false },
  { id: 4_000_000, content: "b", special: true },
  { id: 0, content: "" },
  ["a", "a"],
  ["a a", "b"],
  "a b c",
];

const TEMPLATES = [
  "{% for i in range(10**9) %}x{% endfor %}",
  "{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
  "{% set x = namespace(s=[1]) %}{% for i in range(99) %}{% set x.s = x.s + x.s %}{% endfor %}",
  "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
  `{{ ${"[".repeat(50_000)} }}`,
  `{{ 'a' ${"|upper".repeat(5000)} }}`,
  `${" ".repeat(100_000)}{% generation %}`,
  "{{ 'a\\nb'|indent(10**9) }}{{ messages|tojson(indent=10**9) }}",
  "{{ messages.constructor.constructor('return process')() }}",
];

export const target: Target = async (folder) => {
  const read = (i: number, file: string) => readFileSync(join(folder, `${i}`, file));
  const originals = SPECS.map((spec, i) => {
    writeTokenizer(join(folder, `${i}`), spec);
    const [json, config] = [read(i, "tokenizer.json"), read(i, "tokenizer_config.json")];
    return { json, parsed: JSON.parse(json.toString()), config, options: JSON.parse(config.toString()) };
  });
  return (random, path) => {
    const { json, parsed, config, options } = pick(random, originals);
    let [content, settings, what]: [string | Buffer, string | Buffer, string] = [json, config, ""];
    const kind = random.below(10);
    if (kind === 0) [content, what] = damage(random, json);
    else if (kind === 1) [settings, what] = mutateJson(random, options, ["<unk>", "a", { content: 7 }, true]);
    else if (kind === 2) {
      const harmless = damage(random, Buffer.from(`${options.chat_template}`))[0].toString();
      const chat_template = random.below(3) === 0 ? pick(random, TEMPLATES) : harmless;
      [settings, what] = [
        JSON.stringify({ ...options, chat_template }),
        `the template ${chat_template.trim().slice(0, 60)}`,
      ];
    } else if (kind === 3) {
      const part = pick(random, ["normalizer", "pre_tokenizer", "post_processor", "decoder", "model"]);
      const strange = pick(random, STRANGE);
      [content, what] = [
        JSON.stringify({ ...parsed, [part]: strange }),
        `${part} ${JSON.stringify(strange)}`.slice(0, 80),
      ];
    } else [content, what] = mutateJson(random, parsed, STRANGE);
    writeFileSync(join(path, "tokenizer.json"), content);
    writeFileSync(join(path, "tokenizer_config.json"), settings);
    return {
      what,
      load() {
        const tokenizer = loadTokenizer(path);
        for (const text of TEXTS) tokenizer.decode(tokenizer.encode(text));
        tokenizer.decode([0, tokenizer.size - 1, tokenizer.size, 10 ** 9]);
        if (tokenizer.template) tokenizer.render([{ role: "user", content: "1" }], { generate: true });
      },
    };
  };
};
