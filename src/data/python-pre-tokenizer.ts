/** @file Pre-tokenizers that the JavaScript library cuts otherwise than Python's, spelled as ones that both cut alike. */

import { NUMBERS, WORDS } from "./pre-tokenizers.ts";

type Part = { type?: unknown; [key: string]: unknown };

/**
 * Digits is any number to Python (Ⅻ, ½, ٣) and 0 to 9 to the library; GPT-2's blanks leave out U+FEFF and take in U+0085
 * in Python, and the other way round in a regular expression of JavaScript, which the library mends in Split alone.
 */
export function asPython(pre_tokenizer: unknown): unknown {
  if (typeof pre_tokenizer !== "object" || pre_tokenizer === null) return pre_tokenizer;
  const part = pre_tokenizer as Part;
  if (part.type === "Sequence" && Array.isArray(part.pretokenizers))
    return { ...part, pretokenizers: part.pretokenizers.map(asPython) };
  if (part.type === "Digits") return split(part.individual_digits ? NUMBERS.EACH : NUMBERS.TOGETHER);
  if (part.type === "ByteLevel" && !part.add_prefix_space && part.use_regex !== false)
    return { type: "Sequence", pretokenizers: [split(WORDS.GPT_2), { ...part, use_regex: false }] };
  return part;
}

const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false });
