/** @file A row as it is trained on, in pieces that can be shown. */

import { visible } from "../../core/html.ts";
import type { Row, Segment } from "../../data/batch.ts";
import { supervisedIn } from "../../data/example-store.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";

export type Piece =
  /** Where a segment begins: its row in the dataset, its tokens, and how many of them are supervised. */
  | { kind: "boundary"; row: number; tokens: number; supervised: number }
  /** Tokens of one sort; a special one stands alone, by its name. */
  | { kind: "text"; text: string; supervised: boolean; special: boolean }
  | { kind: "padding"; tokens: number };

/** A row of `length` tokens: its segments, each behind its boundary, and the padding. */
export function piecesOf(row: Row, length: number, tokenizer: Tokenizer): Piece[] {
  const used = row.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return [
    ...row.flatMap((segment): Piece[] => [
      { kind: "boundary", row: segment.row ?? 0, tokens: segment.tokens.length, supervised: supervisedIn(segment) },
      ...texts(segment, tokenizer),
    ]),
    ...(used < length ? [{ kind: "padding" as const, tokens: length - used }] : []),
  ];
}

function* texts({ tokens, supervised }: Segment, { special, token, decode }: Tokenizer): Generator<Piece> {
  for (let start = 0; start < tokens.length; ) {
    const learned = supervised[start]!;
    if (special(tokens[start]!)) {
      yield { kind: "text", text: visible(token(tokens[start]!)), supervised: learned, special: true };
      start++;
      continue;
    }
    let end = start + 1;
    while (end < tokens.length && supervised[end] === learned && !special(tokens[end]!)) end++;
    yield { kind: "text", text: visible(decode(tokens.slice(start, end))), supervised: learned, special: false };
    start = end;
  }
}
