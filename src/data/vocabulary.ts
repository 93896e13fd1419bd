/** @file Whether two models mean the same token by the same id. */

import { DistillError } from "../core/errors.ts";
import { BYTE_OF } from "./byte-level.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Tokens by their ids; rows that stand for nothing are undefined. */
export type Vocabulary = readonly (string | undefined)[];

export const vocabularyOf = ({ size, token, has }: Pick<Tokenizer, "size" | "token" | "has">): Vocabulary =>
  Array.from({ length: size }, (_, id) => (has(id) ? token(id) : undefined));

/** How many tokens that differ are named. */
const NAMED = 3;

/**
 * Throw where a teacher's probabilities would be of other tokens than the student's. Rows that stand for nothing may be
 * there or not, as models pad their vocabulary to sizes that processors like.
 */
export function requireSameVocabulary(
  student: { name: string; tokens: Vocabulary },
  teacher: { name: string; tokens: Vocabulary },
): void {
  const different: number[] = [];
  for (let id = 0; id < Math.max(student.tokens.length, teacher.tokens.length); id++) {
    const [ours, theirs] = [student.tokens[id], teacher.tokens[id]];
    const both = ours !== undefined && theirs !== undefined;
    if (both ? !sameToken(ours, theirs) : ours !== theirs && !isPadding(ours ?? theirs!)) different.push(id);
  }
  if (different.length === 0) return;
  const quoted = (token: string | undefined) => (token === undefined ? "nothing" : JSON.stringify(token));
  const some = different
    .slice(0, NAMED)
    .map((id) => `${id} is ${quoted(teacher.tokens[id])} and ${quoted(student.tokens[id])}`);
  throw new DistillError(
    `The teacher ${teacher.name} and the student ${student.name} do not have the same tokens, so probabilities of one say nothing to the other: they differ in ${different.length} of ${student.tokens.length} (${some.join("; ")}). Take a teacher and a student of one family, or trainer.type sft.`,
  );
}

/** Whether two spellings are of one token: a file may write its bytes as characters, and blanks and bytes in a way of its own. */
export const sameToken = (a: string, b: string): boolean =>
  a === b || readings(a).some((one) => readings(b).some((other) => one.equals(other)));

/** The bytes that a spelling may stand for. */
function readings(token: string): Buffer[] {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
  if (byte) return [Buffer.of(Number.parseInt(byte, 16))];
  const text = Buffer.from(token.replaceAll("▁", " "));
  const bytes = Array.from(token, (character) => BYTE_OF.get(character));
  return bytes.every((value) => value !== undefined) ? [text, Buffer.from(bytes)] : [text];
}

/** What converters and tokenizers call rows that stand for nothing. */
const isPadding = (token: string): boolean =>
  /^(\[PAD\d*\]|<unused\d+>|<\|?(reserved|placeholder|dummy).*>)$/i.test(token);
