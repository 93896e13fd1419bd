/** @file SentencePiece's BPE: pieces with scores, of which the highest that two neighbours make is made first. */

import { bool, float32s, type MetadataValue, string } from "../../formats/gguf.ts";
import { piecesInOrder } from "./merge-order.ts";
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
  // found in the text before anything is merged, but for those that only merges find: in the text ▁ is a blank
  const found = added_tokens.filter(({ content, special }) => special || !content.includes(BLANK));
  const whole = new Set(found.map(({ content }) => content));
  const merged = piecesInOrder(model.merges, { whole, vocab: model.vocab, refuse });
  for (const [rank, piece] of [...merged].entries()) scores[model.vocab[piece]!] = -rank;
  const keys: [string, MetadataValue][] = [
    ["tokenizer.ggml.model", string("llama")],
    ["tokenizer.ggml.pre", string("default")],
    ["tokenizer.ggml.scores", float32s(scores)],
    ["tokenizer.ggml.add_space_prefix", bool(prefixed)],
  ];
  return { alphabet: { spell: (token) => token, complete: true }, keys, merged };
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
