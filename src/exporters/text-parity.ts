/** @file The gate's other side: does the program that loads a file make the tokens of a text that the student was trained on? */

import { DistillError } from "../core/errors.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import type { TextEncoder } from "./runners/runner.ts";

/** How a file's tokenizer compares with the student's. */
export type TextReport = {
  name: string;
  texts: number;
  /** Texts of which they make other tokens. */
  different: number;
  first?: { text: string; expected: readonly number[]; found: readonly number[] };
};

/** Encode texts with both. Throws where they do not begin a text alike. */
export async function compareEncoders(
  name: string,
  tokenizer: Pick<Tokenizer, "encode" | "bos">,
  candidate: TextEncoder,
  texts: readonly string[],
): Promise<TextReport> {
  if (candidate.bos !== tokenizer.bos)
    throw new DistillError(
      `${name} begins a text ${begins(candidate.bos)}, and the student was trained on texts that begin ${begins(tokenizer.bos)}. Say so in the student's tokenizer_config.json: add_bos_token, and bos_token.`,
    );
  const report: TextReport = { name, texts: texts.length, different: 0 };
  for (const text of texts) {
    const [expected, found] = [tokenizer.encode(text), await candidate.encode(text)];
    if (expected.length === found.length && expected.every((id, i) => id === found[i])) continue;
    report.different++;
    if (!report.first || text.length < report.first.text.length) report.first = { text, expected, found };
  }
  return report;
}

const begins = (bos: number | undefined) => (bos === undefined ? "without a token of its own" : `with token ${bos}`);

/** Throw where more texts become other tokens than the recipe allows. */
export function requireSameTokens({ name, texts, different, first }: TextReport, most: number): void {
  if (different <= most) return;
  const { text, expected, found } = first!;
  const at = expected.findIndex((id, i) => id !== found[i]);
  const from = at < 0 ? expected.length : at;
  const some = (ids: readonly number[]) => ids.slice(from, from + 8).join(" ") || "nothing";
  throw new DistillError(
    `${name} makes other tokens than the student's tokenizer of ${different} of ${texts} texts, such as ${JSON.stringify(text.slice(0, 200))}: ${some(found)} in place of ${some(expected)} from token ${from} on. The program that loads it cannot reproduce this tokenizer; leave the format out, or allow as many with parity.max_different_texts.`,
  );
}
