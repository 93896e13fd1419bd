/** @file A Hugging Face tokenizer as llama.cpp's: the same ids for the same text, or a sentence that says why not. */

import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../../core/errors.ts";
import { readJson } from "../../core/reading.ts";
import { ConfiguredTemplate, templateIn } from "../../data/template-files.ts";
import { loadTokenizer } from "../../data/tokenizer.ts";
import { bool, int32s, type Metadata, type MetadataValue, string, strings, uint32 } from "../../formats/gguf.ts";
import { type Kind, preTokenizerOf } from "./pre-tokenizer.ts";
import { sentencePieceOf } from "./sentencepiece.ts";

const Bpe = z.looseObject({
  added_tokens: z
    .array(
      z.looseObject({
        id: z.int().nonnegative(),
        content: z.string().min(1),
        special: z.boolean().default(false),
        lstrip: z.boolean().default(false),
        rstrip: z.boolean().default(false),
        single_word: z.boolean().default(false),
      }),
    )
    .default([]),
  normalizer: z.looseObject({ type: z.string() }).nullish(),
  pre_tokenizer: z.looseObject({ type: z.string() }).nullish(),
  model: z.looseObject({
    type: z.literal("BPE"),
    // their parts were looked at when the tokenizer was loaded, and half a million of them are not copied
    vocab: z.custom<Record<string, number>>((value) => typeof value === "object" && value !== null),
    merges: z.custom<(string | [string, string])[]>(Array.isArray),
    unk_token: z.string().nullish(),
    continuing_subword_prefix: z.literal("").nullish(),
    end_of_word_suffix: z.literal("").nullish(),
    byte_fallback: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
  }),
});
export type Bpe = z.output<typeof Bpe>;

export const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

const token = z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)]);
const Config = z.looseObject({
  bos_token: token.nullish(),
  pad_token: token.nullish(),
  unk_token: token.nullish(),
  chat_template: ConfiguredTemplate,
});

/** llama.cpp's kinds of token. */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;
const BYTE = 6;

/** The `tokenizer.` keys for a tokenizer folder and a model of `size` tokens; `loaded` is what is in the folder. */
export function ggufTokenizer(folder: string, size: number, loaded = loadTokenizer(folder)): Metadata {
  const path = join(folder, "tokenizer.json");
  const refuse = (why: string): never => {
    throw new DistillError(
      `${path} has no equal in llama.cpp: ${why}. Expected BPE over bytes (ByteLevel), over single characters, or SentencePiece's.`,
    );
  };
  const { eos, bos, endOfTurn, size: known } = loaded;
  const parsed = Bpe.safeParse(readJson(path, "The tokenizer's tokenizer.json"));
  if (!parsed.success) {
    const { path: at, message } = parsed.error.issues[0]!;
    return refuse(`${at.join(".")}: ${message}`);
  }
  const { added_tokens, normalizer, model } = parsed.data;
  if (known > size) return refuse(`it has ${known} tokens, and the model's vocab_size is ${size}`);
  for (const { content, lstrip, rstrip, single_word } of added_tokens)
    if (lstrip || rstrip || single_word)
      return refuse(`its token "${content}" takes in or needs what stands beside it`);

  const { byte_fallback } = model;
  if (!byte_fallback && normalizer && normalizer.type !== "NFC") return refuse(`its normalizer is ${normalizer.type}`);
  const { alphabet, keys, merged }: Kind = byte_fallback
    ? sentencePieceOf(parsed.data, size, refuse)
    : preTokenizerOf(parsed.data, refuse);
  const texts = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const types = texts.map(() => UNUSED);
  for (const [text, id] of Object.entries(model.vocab))
    [texts[id], types[id]] = [alphabet.spell(text), byte_fallback && BYTE_TOKEN.test(text) ? BYTE : NORMAL];
  for (const { content, id, special } of added_tokens)
    [texts[id], types[id]] = [content, special ? CONTROL : merged?.has(content) ? NORMAL : USER_DEFINED];
  const seen = new Set<string>();
  const twice = texts.find((text) => seen.size === seen.add(text).size);
  if (twice !== undefined) return refuse(`two of its tokens are spelled "${twice}" there`);
  if (byte_fallback && model.unk_token && model.unk_token in model.vocab)
    types[model.vocab[model.unk_token]!] = UNKNOWN;
  if (model.unk_token && !alphabet.complete)
    return refuse(`it writes "${model.unk_token}" for characters it does not know, and llama.cpp leaves them out`);

  const configPath = join(folder, "tokenizer_config.json");
  const config = Config.parse(readJson(configPath, "The tokenizer's tokenizer_config.json"));
  const idOf = (text: string | null | undefined) =>
    text ? (added_tokens.find(({ content }) => content === text)?.id ?? model.vocab[text]) : undefined;
  const metadata = new Map<string, MetadataValue>([
    ["tokenizer.ggml.tokens", strings(texts)],
    ["tokenizer.ggml.token_type", int32s(types)],
    ...keys,
    ["tokenizer.ggml.eos_token_id", uint32(eos)],
    // programs end at it too, whatever it is called
    ...(endOfTurn === eos ? [] : [["tokenizer.ggml.eot_token_id", uint32(endOfTurn)] as const]),
    // without one llama.cpp takes token 11 for it
    ["tokenizer.ggml.bos_token_id", uint32(bos ?? idOf(config.bos_token) ?? eos)],
    ["tokenizer.ggml.add_bos_token", bool(bos !== undefined)],
    ["tokenizer.ggml.add_eos_token", bool(false)],
  ]);
  const pad = idOf(config.pad_token);
  if (pad !== undefined) metadata.set("tokenizer.ggml.padding_token_id", uint32(pad));
  const template = templateIn(folder, config.chat_template);
  if (template) metadata.set("tokenizer.chat_template", string(template));
  return metadata;
}
