/** @file Which of llama.cpp's ways to cut a text into words is a tokenizer's own, and its tokens and merges spelled in bytes. */

import { BYTE_CHARACTERS, BYTE_OF } from "../../data/byte-level.ts";
import { NUMBERS, WORDS } from "../../data/pre-tokenizers.ts";
import { asPython } from "../../data/python-pre-tokenizer.ts";
import { type MetadataValue, string, strings } from "../../formats/gguf.ts";
import type { Bpe } from "./tokenizer.ts";

/** What a kind of tokenizer says of itself beside its tokens. */
export type Kind = {
  alphabet: Pick<Alphabet, "spell" | "complete">;
  keys: [string, MetadataValue][];
  /** Pieces that merges make of a text, added tokens among them. */
  merged?: ReadonlySet<string>;
};

type Alphabet = {
  /** A token as llama.cpp spells it. */
  spell(token: string): string;
  /** "left right", the first ones first. */
  merges: string[];
  /** Whether every text can be spelled. */
  complete: boolean;
};

/** A pre-tokenizer, as both libraries cut, as text → its name in llama.cpp, of those that tokens in the vocabulary need no merges for and others. */
const NAMES: Record<string, { merging?: string; ignoring?: string }> = {
  [`Split ${WORDS.GPT_2}, ByteLevel`]: { merging: "gpt-2" },
  [`Split ${NUMBERS.EACH}, Split ${WORDS.GPT_2}, ByteLevel`]: { merging: "smollm" },
  [`Split ${WORDS.QWEN_2}, ByteLevel`]: { merging: "qwen2" },
  [`Split ${WORDS.PLAIN}, ByteLevel`]: { merging: "poro-chat" },
  [`Split ${WORDS.LLAMA_3}, ByteLevel`]: { merging: "smaug-bpe", ignoring: "llama-bpe" },
};

/** Cuts at blanks and at this punctuation alone; a blank goes with the word behind it. */
const PLAIN = "poro-chat";
const UNCUT = /^ ?[^(\s|.,!?…。，、।۔،)]+$/u;

export function preTokenizerOf(tokenizer: Bpe, refuse: (why: string) => never): Kind {
  const { pre, alphabet } = wordsOf(tokenizer, refuse);
  const keys: [string, MetadataValue][] = [
    ["tokenizer.ggml.model", string("gpt2")],
    ["tokenizer.ggml.pre", string(pre)],
    ["tokenizer.ggml.merges", strings(alphabet.merges)],
  ];
  return { alphabet, keys };
}

function wordsOf(tokenizer: Bpe, refuse: (why: string) => never): { pre: string; alphabet: Alphabet } {
  const { pre_tokenizer, model } = tokenizer;
  const described = describe(asPython(pre_tokenizer) as PreTokenizer);
  const alphabet = described.endsWith("ByteLevel") || described.endsWith("regex") ? bytes(model) : characters(model);
  if (described !== "" && described !== "ByteLevel") {
    const pre = NAMES[described]?.[model.ignore_merges ? "ignoring" : "merging"];
    if (!pre)
      return refuse(
        `its pre-tokenizer is "${describe(pre_tokenizer)}"${model.ignore_merges ? " with ignore_merges" : ""}`,
      );
    return { pre, alphabet };
  }
  // The whole text is one word. llama.cpp always cuts: none of its cuts may fall into a token that merges make.
  if (model.ignore_merges) return refuse("it has ignore_merges and no pre-tokenizer");
  for (const merge of model.merges) {
    const made = typeof merge === "string" ? merge.replace(" ", "") : merge.join("");
    const text = described === "" ? made : unspell(made);
    if (!UNCUT.test(text) || text.includes("\ufffd"))
      return refuse(`it has no pre-tokenizer, and its merges make "${text}", which llama.cpp cuts into words`);
  }
  return { pre: PLAIN, alphabet };
}

type PreTokenizer = NonNullable<Bpe["pre_tokenizer"]> | null | undefined;

/** What a pre-tokenizer does, in words that are the same whenever that is the same. */
function describe(pre: PreTokenizer): string {
  if (!pre) return "";
  const rest = pre as Record<string, unknown>;
  if (pre.type === "Sequence" && Array.isArray(rest.pretokenizers))
    return (rest.pretokenizers as PreTokenizer[]).map(describe).join(", ");
  if (pre.type === "ByteLevel")
    return `${rest.add_prefix_space ? "spaced " : ""}ByteLevel${rest.use_regex === false ? "" : " regex"}`;
  if (pre.type === "Digits") return rest.individual_digits ? "Digits" : "Digits together";
  if (pre.type === "Split") {
    const pattern = (rest.pattern as { Regex?: string } | undefined)?.Regex;
    return `Split ${pattern}${rest.behavior === "Isolated" && !rest.invert ? "" : ` ${rest.behavior}`}`;
  }
  return pre.type;
}

const spellBytes = (text: string): string => Array.from(Buffer.from(text), (byte) => BYTE_CHARACTERS[byte]).join("");

/** The text that a byte-level token stands for; U+FFFD where it is part of a character. */
const unspell = (token: string): string =>
  Buffer.from(Array.from(token, (character) => BYTE_OF.get(character) ?? 0xff)).toString("utf8");

const joined = (merge: Bpe["model"]["merges"][number], spell: (token: string) => string): string =>
  (typeof merge === "string" ? merge.split(" ") : merge).map(spell).join(" ");

function bytes({ vocab, merges }: Bpe["model"]): Alphabet {
  const spell = (token: string) => token;
  return {
    spell,
    merges: merges.map((merge) => joined(merge, spell)),
    complete: BYTE_CHARACTERS.every((character) => character in vocab),
  };
}

/** Characters beyond ASCII are several bytes there: merges in front of all others put them together. */
function characters({ vocab, merges }: Bpe["model"]): Alphabet {
  const assembling = Object.keys(vocab)
    .filter((token) => [...token].length === 1)
    .map(spellBytes)
    .flatMap((spelled) =>
      Array.from({ length: spelled.length - 1 }, (_, i) => `${spelled.slice(0, i + 1)} ${spelled[i + 1]}`),
    );
  return {
    spell: spellBytes,
    merges: [...new Set(assembling), ...merges.map((merge) => joined(merge, spellBytes))],
    complete: false,
  };
}
