/** @file The maths grader: does a completion's answer equal the reference, as mathematics? */

import type { Verdict } from "../../core/trace.ts";
import { compareAnswers } from "./comparison/compare.ts";
import { choiceIn, findChoice, lettersOnly, withoutMark } from "./extraction/choice.ts";
import { type Extracted, extractLenient, extractStrict, readable, wordsAt } from "./extraction/extract.ts";
import { sameText } from "./extraction/text.ts";
import { type Form, hasForm } from "./form.ts";
import { print } from "./print.ts";
import { readAnswer } from "./reading/read.ts";

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
  form = "any",
}: {
  completion: string;
  answer: string;
  profile?: Profile;
  /** In which form the completion's answer has to be given. */
  form?: Form;
}): Grade {
  const reference = readReference(answer);
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
  const rule = ruleFor(completion, answer, found, reference, profile);
  return rule
    ? grade("correct", `the ${found.place} equals the reference`, rule)
    : grade("incorrect", `the ${found.place} does not equal the reference`, "no rule");
}

/** (1,000) is a pair, or a number in brackets where one is asked for. */
const GROUPED_IN_BRACKETS = /^\([1-9]\d{0,2}(?:,\d{3})+\)$/;

/** The rule by which what was found equals the reference. */
function ruleFor(
  completion: string,
  answer: string,
  found: Extracted,
  reference: Extracted,
  profile: Profile,
): string | undefined {
  const choice = lettersOnly(answer) ?? lettersOnly(reference.span);
  if (choice) {
    const chosen = profile === "strict" ? choiceIn(found.span) : findChoice(readable(completion));
    if (chosen === choice) return "choice";
    // AC may be two letters or a product.
    if (choice.length === 1 || chosen) return undefined;
  }
  const given = lettersOnly(found.span);
  if (given?.length === 1 && (reference.node.kind === "text" || withoutMark(answer))) {
    const chosen = withoutMark(answer) ? choiceIn(answer) : findChoice(answer);
    if (chosen) return chosen === given ? "choice" : undefined;
  }
  const [bare, asked] = [withoutMark(found.span), withoutMark(reference.span)];
  if (bare || asked) {
    if (bare && asked && choiceIn(found.span) !== choiceIn(reference.span)) return undefined;
    const rule = compareAnswers(readAnswer(bare ?? found.span), readAnswer(asked ?? reference.span));
    if (rule) return rule;
  }
  if (reference.node.kind === "number" && GROUPED_IN_BRACKETS.test(found.span.trim()))
    return compareAnswers(readAnswer(found.span.trim().slice(1, -1)), reference.node);
  if (sameText(found.span, answer) || sameText(found.span, reference.span)) return "same text";
  const rule = compareAnswers(found.node, reference.node);
  if (rule || profile === "strict" || reference.node.kind !== "text") return rule;
  return wordsAt(completion).some((words) => sameText(words, reference.span)) ? "same words" : undefined;
}

/** What a reference says: as a whole, or where a solution in full gives its answer. */
function readReference(answer: string): Extracted | undefined {
  const text = answer.trim();
  if (text === "" || /^(?:None|null|NaN|nan|undefined)$/.test(text)) return undefined;
  const node = readAnswer(text);
  if (node.kind !== "text" && !text.includes("boxed{")) return { span: text, node, place: "whole text" };
  const inside = extractLenient(text, true);
  if (!inside) return undefined;
  const explicit = inside.place !== "last formula" || text.length > 200 || /\$|\\[([]/.test(text);
  return explicit ? inside : { span: text, node, place: "words" };
}

const shortened = (text: string) => (text.length > 500 ? `${text.slice(0, 500)}…` : text);
