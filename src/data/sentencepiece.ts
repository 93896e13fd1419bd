/** @file SentencePiece's BPE as merges: the same ids for the same text. */

import type { Vocabulary } from "./gguf-tokenizer.ts";

const BLANK = "\u2581"; // ▁
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

/**
 * SentencePiece joins the neighbours whose piece has the highest score; merges are joined in the order of a list. Listed by
 * the score of what they make, they do the same. Bytes stand in for characters without a piece.
 */
export function sentencePieceTokenizer(
  { tokens, ordinary, unknown }: Vocabulary,
  scores: ArrayLike<number>,
  add_space_prefix: boolean,
  refuse: (why: string) => never,
) {
  if (scores.length !== tokens.length)
    refuse(`it has ${tokens.length} tokens, and scores for ${scores.length} of them`);
  const odd = Array.from(scores).findIndex((score) => !Number.isFinite(score));
  if (odd >= 0) refuse(`its token "${tokens[odd]}" has the score ${scores[odd]}`);
  const work = tokens.reduce((sum, { length }) => sum + Math.min(length, LONGEST) ** 2, 0);
  if (work > WORK_LIMIT) refuse("its tokens are too long to look for the ways to make each of others");
  const vocab = new Map(
    tokens.flatMap((token, id) => (ordinary(id) || BYTE_TOKEN.test(token) ? [[token, id] as const] : [])),
  );
  const replaced = { type: "Replace", pattern: { String: " " }, content: BLANK };
  return {
    normalizer: add_space_prefix
      ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: BLANK }, replaced] }
      : replaced,
    pre_tokenizer: null,
    post_processor: null as object | null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: BLANK }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(add_space_prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: unknown ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: tokens.some((token) => BYTE_TOKEN.test(token)),
      ignore_merges: false,
      vocab: Object.fromEntries(vocab),
      merges: mergesOf(vocab, scores),
    },
  };
}

/** Every way to make a piece of two others, the pieces of the highest score first. */
function mergesOf(vocab: ReadonlyMap<string, number>, scores: ArrayLike<number>): [string, string][] {
  const pieces = [...vocab].sort(([, a], [, b]) => scores[b]! - scores[a]! || a - b);
  return pieces.flatMap(([piece]) => {
    if (BYTE_TOKEN.test(piece) || piece.length > LONGEST) return [];
    const pairs: [string, string][] = [];
    for (let at = 1; at < piece.length; at++) {
      const [left, right] = [piece.slice(0, at), piece.slice(at)];
      if (vocab.has(left) && vocab.has(right)) pairs.push([left, right]);
    }
    return pairs.sort((a, b) => vocab.get(a[0])! - vocab.get(b[0])! || vocab.get(a[1])! - vocab.get(b[1])!);
  });
}

/** The sum of the squares of all lengths: a quarter of a million pieces of Gemma 3 come to 11 million. */
const WORK_LIMIT = 1 << 27;
/** UTF-16 units of the longest piece that is taken apart. */
const LONGEST = 1024;
