/** @file Merges, which are made in the order of a list, as scores of the pieces that they make. */

import type { Bpe } from "./tokenizer.ts";

type Options = {
  /** Tokens that are found in a text before anything is merged. */
  whole: ReadonlySet<string>;
  vocab: Record<string, number>;
  refuse: (why: string) => never;
};

/**
 * The pieces that merges make, those that are made first in front: where neighbours make one of them, they are joined, the
 * foremost piece first. Refuses a list of merges that says otherwise.
 */
export function piecesInOrder(merges: Bpe["model"]["merges"], { whole, vocab, refuse }: Options): ReadonlySet<string> {
  const order: string[] = []; // what the merges make, one after the other
  const last = new Map<string, number>(); // where in it
  const ways = new Map<string, number>();
  const repeated = new Set<string>();
  const early = (piece: string) => refuse(`its merges make "${piece}" early and late`);
  for (const merge of merges) {
    const [left, right] = typeof merge === "string" ? (merge.split(" ") as [string, string]) : merge;
    const piece = left + right;
    ways.set(piece, (ways.get(piece) ?? 0) + 1);
    if (piece === order.at(-1) || whole.has(piece)) continue;
    if (!Object.hasOwn(vocab, piece)) return refuse(`a merge makes "${piece}", which is no token`);
    const before = last.get(piece);
    // pieces without a character in common are never made of the same tokens, and may come between
    if (before !== undefined && order.slice(before + 1).some((other) => shareCharacters(other, piece))) {
      if (!isRun(piece)) return early(piece);
      repeated.add([...piece][0]!);
    }
    last.set(piece, order.push(piece) - 1);
  }
  for (const character of repeated) if (!growFromTheLeft(character, merges, last)) return early(character.repeat(2));
  for (const piece of last.keys())
    if (ways.get(piece) !== waysToMake(piece, vocab)) return refuse(`its merges leave out a way to make "${piece}"`);
  return new Set(last.keys());
}

const isRun = (piece: string): boolean => new Set(piece).size === 1;

const shareCharacters = (a: string, b: string): boolean => [...a].some((character) => b.includes(character));

/**
 * Whether a run of a character is made from its left, one character at a time, up to the longest piece, and then from there:
 * every longer piece takes in one more before two single ones are joined, and nothing else with that character is made
 * before. Then it makes no difference in which order longer pieces would be joined, for there are never two side by side.
 */
function growFromTheLeft(
  character: string,
  merges: Bpe["model"]["merges"],
  made: ReadonlyMap<string, unknown>,
): boolean {
  const grown = new Set<string>();
  for (const merge of merges) {
    const [left, right] = typeof merge === "string" ? (merge.split(" ") as [string, string]) : merge;
    const piece = left + right;
    if (!piece.includes(character) || !made.has(piece)) continue;
    if (!isRun(piece)) return false;
    if (right === character) grown.add(piece);
    if (left === character && right === character) break;
  }
  return [...made.keys()].every((piece) => !isRun(piece) || !piece.startsWith(character) || grown.has(piece));
}

function waysToMake(piece: string, vocab: Record<string, number>): number {
  let ways = 0;
  for (let at = 1; at < piece.length; at++)
    if (Object.hasOwn(vocab, piece.slice(0, at)) && Object.hasOwn(vocab, piece.slice(at))) ways++;
  return ways;
}
