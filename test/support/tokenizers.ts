/** @file Small tokenizers as folders. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type TokenizerSpec = {
  /** The vocabulary's single characters, as tokenizer.json spells them. */
  characters: readonly string[];
  /** Words that merges make, from their characters on, left to right. */
  words?: readonly string[];
  pre_tokenizer?: object | null;
  normalizer?: object;
  /** Words are made of any two tokens, not from the left alone. */
  every_way?: boolean;
  /** Each with whether it is special. The first one ends a text. */
  added?: readonly (readonly [content: string, special: boolean])[];
  model?: object;
  config?: object;
};

export const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

/** Write tokenizer.json and tokenizer_config.json; the number of tokens. */
export function writeTokenizer(folder: string, spec: TokenizerSpec): number {
  const added = spec.added ?? [["<eos>", true]];
  const merges: [string, string][] = [];
  const tokens = new Set<string>([...added.map(([content]) => content), ...spec.characters]);
  for (const word of spec.words ?? []) {
    const characters = [...word];
    for (let i = 1; i < characters.length; i++) {
      const left = characters.slice(0, i).join("");
      if (tokens.has(left + characters[i]!)) continue;
      merges.push([left, characters[i]!]);
      tokens.add(left + characters[i]!);
    }
  }
  if (spec.every_way) {
    merges.length = 0;
    for (const token of tokens)
      for (let at = 1; at < token.length; at++)
        if (tokens.has(token.slice(0, at)) && tokens.has(token.slice(at)))
          merges.push([token.slice(0, at), token.slice(at)]);
  }
  const vocab = Object.fromEntries([...tokens].map((token, id) => [token, id]));
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "tokenizer.json"),
    JSON.stringify({
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: added.map(([content, special], id) => ({
        id,
        content,
        special,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      })),
      normalizer: spec.normalizer ?? null,
      pre_tokenizer: spec.pre_tokenizer ?? null,
      post_processor: null,
      decoder: spec.pre_tokenizer ? BYTE_LEVEL : { type: "Fuse" },
      model: { type: "BPE", unk_token: null, byte_fallback: false, ignore_merges: false, vocab, merges, ...spec.model },
    }),
  );
  writeFileSync(
    join(folder, "tokenizer_config.json"),
    JSON.stringify({
      tokenizer_class: "PreTrainedTokenizerFast",
      eos_token: added[0]![0],
      add_bos_token: false,
      ...spec.config,
    }),
  );
  return tokens.size;
}
