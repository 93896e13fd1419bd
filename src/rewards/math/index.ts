/** @file The maths grader: does a completion's answer equal the reference, as mathematics? */

import type { Verdict } from "../../core/trace.ts";
import { extractLenient, extractStrict } from "./extraction/extract.ts";
import { withPlainDigits } from "./extraction/text.ts";
import { type Form, hasForm } from "./form.ts";
import type { Leniency } from "./leniency.ts";
import { print } from "./print.ts";
import { readReference } from "./reference.ts";
import { decide, type Profile } from "./rules.ts";

export type { Leniency } from "./leniency.ts";
export type { Profile } from "./rules.ts";

/** Raised whenever a verdict may change. */
export const GRADER_VERSION = "3";

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

export type Question = {
  completion: string;
  /** The reference, or several of which any is right. */
  answer: string | readonly string[];
  profile?: Profile;
  /** In which form the completion's answer has to be given. */
  form?: Form;
} & Leniency;

/**
 * Grade a completion's final answer against the reference; `unknown` where the reference cannot be read. It never throws: a
 * grader that fails says infra_error.
 */
export function gradeMath(question: Question): Grade {
  const { answer } = question;
  if (typeof answer === "string") return guarded(question, answer);
  const grades = answer.map((one) => guarded(question, one));
  const order: readonly Verdict[] = ["correct", "incorrect", "infra_error", "unknown"];
  const best = order.map((verdict) => grades.find((grade) => grade.verdict === verdict)).find((grade) => grade);
  return best ?? guarded(question, "");
}

function guarded(question: Question, answer: string): Grade {
  try {
    return graded(question, answer);
  } catch (error) {
    const reason = `the grader failed: ${error instanceof Error ? error.message : String(error)}`;
    const nothing = { extracted: null, prediction: null, reference: null };
    return { verdict: "infra_error", ...nothing, reason, rule: "failure", version: GRADER_VERSION };
  }
}

function graded(question: Question, answer: string): Grade {
  const { profile = "lenient", form = "any" } = question;
  const completion = withPlainDigits(question.completion);
  const asked = withPlainDigits(answer);
  const reference = readReference(asked);
  const found = profile === "strict" ? extractStrict(completion) : extractLenient(completion);
  const grade = (verdict: Verdict, reason: string, rule: string): Grade => ({
    verdict,
    extracted: found?.span ?? null,
    reason,
    prediction: found ? shortened(print(found.node)) : null,
    reference: reference ? shortened(print(reference.node)) : null,
    rule,
    version: GRADER_VERSION,
  });
  if (!reference) return grade("unknown", "the reference is empty or cannot be read", "reference");
  if (!found) return grade("incorrect", "the completion gives no answer", "extraction");
  if (!hasForm(found.node, form)) return grade("incorrect", `the ${found.place} is no ${form}`, "form");
  const { equal, rule } = decide({ completion, answer: asked, found, reference, profile, leniency: question });
  return equal
    ? grade("correct", `the ${found.place} equals the reference`, rule)
    : grade("incorrect", `the ${found.place} does not equal the reference`, rule);
}

const shortened = (text: string) => (text.length > 500 ? `${text.slice(0, 500)}…` : text);
