/** @file The ways to cut a text into words that byte-level tokenizers share, under llama.cpp's names. */

const GPT_2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const CONTRACTIONS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`;
const REST = String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const QWEN_2 = `${CONTRACTIONS}${String.raw`\p{N}`}${REST}`;
const LLAMA_3 = `${CONTRACTIONS}${String.raw`\p{N}{1,3}`}${REST}`;
/** At blanks and at this punctuation alone; a blank goes with the word behind it. */
const PLAIN = String.raw` ?[^(\s|.,!?…。，、।۔،)]+`;

const words = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
const bytes = { ...words, use_regex: false };
const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false });
const sequence = (...pretokenizers: object[]) => ({ type: "Sequence", pretokenizers });

export type PreTokenizer = {
  /** As tokenizer.json writes it. */
  json: object;
  /** Whether words that are in the vocabulary need no merges. */
  ignore_merges?: true;
  normalizer?: "NFC";
};

/** By `tokenizer.ggml.pre`. */
export const PRE_TOKENIZERS: Record<string, PreTokenizer> = {
  "gpt-2": { json: words },
  smollm: { json: sequence({ type: "Digits", individual_digits: true }, words) },
  qwen2: { json: sequence(split(QWEN_2), bytes), normalizer: "NFC" },
  "deepseek-r1-qwen": { json: sequence(split(QWEN_2), bytes), normalizer: "NFC" },
  "llama-bpe": { json: sequence(split(LLAMA_3), bytes), ignore_merges: true },
  "smaug-bpe": { json: sequence(split(LLAMA_3), bytes) },
  "poro-chat": { json: sequence(split(PLAIN), bytes) },
};

/** What Digits means to Python: each number by itself, or those beside each other together. */
export const NUMBERS = { EACH: String.raw`\p{N}`, TOGETHER: String.raw`\p{N}+` };

/** The regular expressions, by what they are known for. */
export const WORDS = { GPT_2, QWEN_2, LLAMA_3, PLAIN };
