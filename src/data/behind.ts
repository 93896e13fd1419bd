/** @file The tokens of a text that stands behind another one. */

import type { Tokenizer } from "./tokenizer.ts";

export type Behind = {
  tokens: number[];
  /** Whether the whole of both texts has a token that begins in the first and ends in the second. */
  split: boolean;
};

/** The tokens of `text` behind `prompt`, whose own are `before`: those of the whole of both, cut at the boundary. */
export function tokensBehind(prompt: string, before: readonly number[], text: string, tokenizer: Tokenizer): Behind {
  const whole = tokenizer.encode(prompt + text);
  if (startsWith(whole, before)) return { tokens: whole.slice(before.length), split: false };
  return { tokens: alone(text, tokenizer), split: true };
}

/** The tokens of a text without what some tokenizers put in front of the first one. */
function alone(text: string, { encode, token }: Tokenizer): number[] {
  const [first] = encode("a");
  if (first !== undefined && token(first).startsWith("▁"))
    for (const before of ["\n", ".", "a"]) {
      const [short, long] = [encode(before), encode(before + text)];
      if (startsWith(long, short)) return long.slice(short.length);
    }
  return encode(text);
}

export const startsWith = (ids: readonly number[], beginning: readonly number[]): boolean =>
  ids.length >= beginning.length && beginning.every((id, i) => ids[i] === id);
