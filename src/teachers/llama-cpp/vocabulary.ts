/** @file The bytes that each token of a GGUF file stands for, so that text is joined exactly: no blank is cleaned away. */

import { BYTE_OF } from "../../data/byte-level.ts";
import type { Metadata } from "../../formats/gguf.ts";

/** The bytes of a token's text, special or not. */
export type TokenBytes = (token: number) => Buffer;

const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

/** `fallback` writes a token of vocabularies that are neither over bytes nor of sentencepiece's kind. */
export function tokenBytes(metadata: Metadata, fallback: (token: number) => string): TokenBytes {
  const texts = (metadata.get("tokenizer.ggml.tokens")?.value ?? []) as readonly string[];
  const types = metadata.get("tokenizer.ggml.token_type")?.value as ArrayLike<number> | undefined;
  const spell = SPELLINGS[String(metadata.get("tokenizer.ggml.model")?.value)];
  const known = new Map<number, Buffer>();
  const bytesOf = (token: number): Buffer => {
    const text = texts[token];
    const type = types?.[token];
    if (text === undefined || !spell) return Buffer.from(fallback(token));
    return type === CONTROL || type === USER_DEFINED ? Buffer.from(text) : spell(text, type);
  };
  return (token) => {
    const bytes = known.get(token) ?? bytesOf(token);
    known.set(token, bytes);
    return bytes;
  };
}

/** A row that is there for its size alone. */
const UNUSED = 5;

/** The tokens by their ids, as the file writes them; rows that stand for nothing are undefined. */
export function vocabularyOf(metadata: Metadata): (string | undefined)[] {
  const texts = (metadata.get("tokenizer.ggml.tokens")?.value ?? []) as readonly string[];
  const types = metadata.get("tokenizer.ggml.token_type")?.value as ArrayLike<number> | undefined;
  return texts.map((text, id) => (types?.[id] === UNUSED ? undefined : text));
}

type Spelling = (text: string, type: number | undefined) => Buffer;

const pieces: Spelling = (text, type) =>
  type === BYTE ? Buffer.of(Number.parseInt(text.slice(3, 5), 16)) : Buffer.from(text.replaceAll("▁", " "));

const SPELLINGS: Record<string, Spelling> = {
  gpt2: (text) =>
    Buffer.concat(
      Array.from(text, (character) => {
        const byte = BYTE_OF.get(character);
        return byte === undefined ? Buffer.from(character) : Buffer.of(byte);
      }),
    ),
  llama: pieces,
  gemma4: pieces,
};
