/** @file The maths grader: does a completion's answer equal the reference, as mathematics? */

import type { Verdict } from "../../core/trace.ts";

/** Raised whenever a verdict may change. */
export const GRADER_VERSION = "1";

/** `strict` (training) demands a closed \boxed{} or an <answer> block; `lenient` (evaluation) also reads plain text. */
export type Profile = "strict" | "lenient";

export type Grade = {
  verdict: Verdict;
  /** The span of the completion that was compared, null where there is none. */
  extracted: string | null;
  reason: string;
  /** What the completion's answer and the reference were read as. */
  prediction: string | null;
  reference: string | null;
  /** The rule that decided. */
  rule: string;
  version: string;
};

/** Grade a completion's final answer against the reference; `unknown` where the reference cannot be read. */
export function gradeMath({
  completion,
  answer,
  profile = "lenient",
}: {
  completion: string;
  answer: string;
  profile?: Profile;
}): Grade {
  const extracted = lastBox(completion) ?? (profile === "lenient" ? completion.trim() : null);
  const reference = (lastBox(answer) ?? answer).trim();
  const grade = (verdict: Verdict, reason: string, rule: string): Grade => ({
    verdict,
    extracted,
    reason,
    prediction: extracted,
    reference,
    rule,
    version: GRADER_VERSION,
  });
  if (!reference) return grade("unknown", "the reference is empty", "reference");
  if (!extracted) return grade("incorrect", "no answer was found", "extraction");
  return extracted.trim() === reference
    ? grade("correct", "the same text", "text")
    : grade("incorrect", "different text", "text");
}

function lastBox(text: string): string | null {
  const start = text.lastIndexOf("\\boxed{");
  if (start < 0) return null;
  let depth = 0;
  for (let i = start + 6; i < text.length; i++) {
    if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return text.slice(start + 7, i);
  }
  return null;
}
