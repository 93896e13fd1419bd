/**
 * @file The models that are exported: a small random one of each family, whose stop tokens are ones that it says; models of
 * each that say one token whatever they read, each stop token and one that is none; and a trained one.
 */

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BYTE_CHARACTERS } from "../../src/data/byte-level.ts";
import { PRE_TOKENIZERS } from "../../src/data/pre-tokenizers.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import { textsToEncode } from "../../src/exporters/texts.ts";
import * as families from "../../src/models/index.ts";
import type { ModelConfig } from "../../src/models/load.ts";
import { writeModel } from "../support/models.ts";
import { writeTokenizer } from "../support/tokenizers.ts";

export type Student = {
  name: string;
  family: string;
  folder: string;
  texts: string[];
  /** Texts that are encoded alone. */
  encode: string[];
  max_new_tokens: number;
  /** The one token that it says. */
  says?: number;
};

const TEXTS = ["12*34+5=?", "98*76-543=?", "7*8"];

const { cases } = JSON.parse(readFileSync("test/reference/families.json", "utf8")) as {
  cases: Record<string, { config: ModelConfig }>;
};

/** Rows of two blocks of every quantisation. */
const SIZES = { hidden_size: 64, head_dim: 16, intermediate_size: 128, initializer_range: 0.3 };

export async function students(place: string): Promise<Student[]> {
  const made: Student[] = [];
  for (const type of Object.keys(families)) {
    const config = Object.values(cases).find(({ config }) => config.model_type === type)!.config;
    const folder = await writeModel(join(place, type), { ...config, ...SIZES } as ModelConfig);
    await giveStops(folder);
    made.push({ name: type, family: type, folder, texts: TEXTS, encode: [], max_new_tokens: 10 });
    made.push(...(await saying(place, type, { ...config, ...SIZES, num_hidden_layers: 1 } as ModelConfig)));
  }
  const trained = join(place, "trained");
  cpSync("data/models/stories-base", trained, { recursive: true });
  const { prompt } = JSON.parse(readFileSync("data/stories/test.jsonl", "utf8").split("\n")[0]!);
  const text = loadTokenizer(trained).render([{ role: "user", content: prompt }], { generate: true });
  made.push({ name: "trained", family: "llama", folder: trained, texts: [text], encode: [], max_new_tokens: 24 });
  return made;
}

/** How each family's texts are cut into words in these models, by `tokenizer.ggml.pre`. */
const CUTS: Record<string, string> = { llama: "smollm", qwen2: "qwen2", qwen3: "gpt-2", gemma3_text: "llama-bpe" };

/** A model for each stop token, and for another special one, that says it; with texts of many scripts to encode. */
async function saying(place: string, family: string, config: ModelConfig): Promise<Student[]> {
  const made: Student[] = [];
  const added = ["<eos>", "[TURN]", "[OTHER]"];
  const { json, normalizer } = PRE_TOKENIZERS[CUTS[family]!]!;
  for (const [says, what] of ["eos_token", "end of a turn", "no stop token"].entries()) {
    const name = `${family}, ${what}`;
    const tokenizer = join(place, `${name} tokenizer`);
    const vocab_size = writeTokenizer(tokenizer, {
      characters: BYTE_CHARACTERS,
      words: WORDS.map((text) => Array.from(Buffer.from(text), (byte) => BYTE_CHARACTERS[byte]).join("")),
      pre_tokenizer: json,
      ...(normalizer ? { normalizer: { type: normalizer } } : {}),
      added: added.map((content) => [content, true] as const),
      config: { chat_template: "{% for m in messages %}{{ m.content }}[TURN]{% endfor %}" },
    });
    const folder = await writeModel(join(place, name.replace(/\W+/g, "-")), { ...config, vocab_size } as ModelConfig, {
      tokenizer,
      change: (weights) => force(weights, says, config.hidden_size as number),
    });
    giveGeneration(folder);
    const encode = says === 0 ? textsToEncode(300, added) : [];
    made.push({ name, family, folder, texts: TEXTS.slice(0, 1), encode, max_new_tokens: 6, says });
  }
  return made;
}

/** What merges make, also across the places where texts are cut. */
const WORDS = [
  "12",
  "the",
  " the",
  "ing",
  "  ",
  "    ",
  "\n\n",
  "\u0661\u0662",
  "\u00bd\u00bd",
  "\u00e9\u00e8",
  "\u4f60\u597d",
  "don't",
  "'ll",
  "a1",
];

/** Layers that add nothing to the embedding, which is the same for all tokens but for its length; the head points at one. */
function force(weights: ReadonlyMap<string, Float32Array>, token: number, width: number): void {
  for (const [name, data] of weights)
    if (/o_proj|down_proj|lm_head/.test(name)) data.fill(0);
    else if (name === "model.embed_tokens.weight") data.fill(1).fill(2, token * width, (token + 1) * width);
  weights.get("lm_head.weight")?.fill(1, token * width, (token + 1) * width);
}

/**
 * Let the tokens that it says fourth to two of the texts end texts: one as eos_token, one as what ends a turn. What was
 * eos_token gets another name, since llama.cpp ends at what is called so.
 */
async function giveStops(folder: string): Promise<void> {
  const path = join(folder, "tokenizer.json");
  writeFileSync(path, readFileSync(path, "utf8").replaceAll('"<eos>"', '"<other>"'));
  editJson(join(folder, "tokenizer_config.json"), () => ({ eos_token: "<other>" }));
  const tokenizer = loadTokenizer(folder);
  const runner = await openReferenceRunner(folder);
  const prompts = TEXTS.map((text) => tokenizer.encode(text));
  const said = await runner.continueGreedily(prompts, { stops: [], max_completion_length: 8 });
  await runner.close();
  const eos = said[0]!.completion[3]!;
  const turn =
    [...said]
      .reverse()
      .flatMap(({ completion }) => completion.slice(2))
      .find((id) => id !== eos) ?? eos + 1;
  const special = [eos, turn].map((id) => ({
    id,
    content: tokenizer.token(id),
    special: true,
    lstrip: false,
    rstrip: false,
    single_word: false,
    normalized: false,
  }));
  editJson(path, ({ added_tokens }) => ({
    added_tokens: [...(added_tokens as { id: number }[]).filter(({ id }) => id !== eos && id !== turn), ...special],
  }));
  editJson(join(folder, "tokenizer_config.json"), () => ({
    eos_token: tokenizer.token(eos),
    chat_template: `{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}${tokenizer.token(turn)}{% endif %}{% endfor %}`,
  }));
  giveGeneration(folder);
}

/** Every token that ends its texts, where transformers and transformers.js look. */
function giveGeneration(folder: string): void {
  const { stops } = loadTokenizer(folder);
  writeFileSync(join(folder, "generation_config.json"), JSON.stringify({ eos_token_id: stops }));
}

function editJson(path: string, change: (json: Record<string, unknown>) => object): void {
  const json = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...json, ...change(json) }));
}
