/** @file SentencePiece's BPE: pieces with scores, of which the highest that two neighbours make is made first. */

import { bool, float32s, type MetadataValue, string } from "../../formats/gguf.ts";
import type { Kind } from "./pre-tokenizer.ts";
import type { Bpe } from "./tokenizer.ts";

const BLANK = "▁";
const REPLACED = /^Replace " " "▁"$/;
const PREFIXED = /^Prepend "▁", Replace " " "▁"$/;

/** A BPE with bytes for unknown characters, if its merges come in the order of what they make. */
export function sentencePieceOf(tokenizer: Bpe, size: number, refuse: (why: string) => never): Kind {
  const { normalizer, pre_tokenizer, model, added_tokens } = tokenizer;
  const described = describe(normalizer);
  const prefixed = PREFIXED.test(described);
  if (!prefixed && !REPLACED.test(described))
    return refuse(`it falls back to bytes, and its normalizer is ${described || "none"}`);
  // blanks are gone when words would be cut at them
  if (pre_tokenizer && !(pre_tokenizer.type === "Split" && stringOf({ ...pre_tokenizer }) === " "))
    return refuse(`it falls back to bytes, and its pre-tokenizer is ${pre_tokenizer.type}`);
  if (model.ignore_merges) return refuse("it falls back to bytes, and has ignore_merges");
  const scores = new Float32Array(size).fill(-1e9);
  let rank = 0;
  let last = "";
  const pairs = new Map<string, number>();
  const done = new Set<string>();
  // found in the text before anything is merged, but for those that only merges find: in the text ▁ is a blank
  const found = added_tokens.filter(({ content, special }) => special || !content.includes(BLANK));
  const whole = new Set(found.map(({ content }) => content));
  for (const merge of model.merges) {
    const piece = typeof merge === "string" ? merge.replace(" ", "") : merge.join("");
    pairs.set(piece, (pairs.get(piece) ?? 0) + 1);
    if (piece === last || whole.has(piece)) continue;
    const id = model.vocab[piece];
    if (id === undefined) return refuse(`a merge makes "${piece}", which is no token`);
    if (done.has(piece)) return refuse(`its merges make "${piece}" early and late`);
    done.add(piece);
    scores[id] = -rank++;
    last = piece;
  }
  // neighbours that make a piece are joined there, whatever the list of merges says
  for (const piece of done)
    if (pairs.get(piece) !== waysToMake(piece, model.vocab))
      return refuse(`its merges leave out a way to make "${piece}"`);
  const keys: [string, MetadataValue][] = [
    ["tokenizer.ggml.model", string("llama")],
    ["tokenizer.ggml.pre", string("default")],
    ["tokenizer.ggml.scores", float32s(scores)],
    ["tokenizer.ggml.add_space_prefix", bool(prefixed)],
  ];
  return { alphabet: { spell: (token) => token, complete: true }, keys, merged: done };
}

function waysToMake(piece: string, vocab: Record<string, number>): number {
  let ways = 0;
  for (let at = 1; at < piece.length; at++)
    if (Object.hasOwn(vocab, piece.slice(0, at)) && Object.hasOwn(vocab, piece.slice(at))) ways++;
  return ways;
}

type Normalizer = { type: string; [key: string]: unknown };

function describe(normalizer: Bpe["normalizer"]): string {
  const { type, ...rest } = (normalizer ?? { type: "" }) as Normalizer;
  if (type === "Sequence" && Array.isArray(rest.normalizers))
    return (rest.normalizers as Normalizer[]).map(describe).join(", ");
  if (type === "Prepend") return `Prepend ${JSON.stringify(rest.prepend)}`;
  if (type === "Replace") return `Replace ${JSON.stringify(stringOf(rest))} ${JSON.stringify(rest.content)}`;
  return type;
}

const stringOf = ({ pattern }: Record<string, unknown>) => (pattern as { String?: string } | undefined)?.String;
