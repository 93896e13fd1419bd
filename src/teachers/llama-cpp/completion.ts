/** @file A completion as it grows: its tokens, its text, and whether a stop string ended it. */

import type { TokenBytes } from "./vocabulary.ts";

export type Completion = {
  readonly token_ids: number[];
  /** Add a token that is part of the text; true where a stop string is complete. */
  push(token: number): boolean;
  text(): string;
};

/** A completion that ends before the first of `stops`, also where tokens share it. */
export function startCompletion(bytesOf: TokenBytes, stops: readonly Buffer[]): Completion {
  const token_ids: number[] = [];
  const ends: number[] = []; // where each token's bytes end
  const longest = Math.max(0, ...stops.map(({ length }) => length));
  let bytes = Buffer.alloc(256);
  let length = 0;
  const append = (piece: Buffer) => {
    if (length + piece.length > bytes.length) {
      const wider = Buffer.alloc(2 * (length + piece.length));
      bytes.copy(wider, 0, 0, length);
      bytes = wider;
    }
    piece.copy(bytes, length);
    length += piece.length;
  };
  const stopAt = (from: number): number => {
    const found = stops.map((stop) => bytes.subarray(0, length).indexOf(stop, from)).filter((at) => at >= 0);
    return found.length > 0 ? Math.min(...found) : -1;
  };
  return {
    token_ids,
    push(token) {
      const from = Math.max(0, length - longest + 1);
      append(bytesOf(token));
      token_ids.push(token);
      ends.push(length);
      const at = longest > 0 ? stopAt(from) : -1;
      if (at < 0) return false;
      // tokens that only spell the stop string are not part of the completion
      while (token_ids.length > 0 && (ends[ends.length - 2] ?? 0) >= at) {
        token_ids.pop();
        ends.pop();
      }
      length = at;
      return true;
    },
    text: () => bytes.toString("utf8", 0, length),
  };
}
