/** @file The grader's rules in their order: the first that says something decides. */

import { compareAnswers } from "./comparison/compare.ts";
import type { Extracted } from "./extraction/anchors.ts";
import { choiceIn, chosenIn, findChoice, lettersOnly, withoutMark } from "./extraction/choice.ts";
import { readable, wordsAt } from "./extraction/extract.ts";
import { sameText } from "./extraction/text.ts";
import type { Leniency } from "./leniency.ts";
import { readAnswer } from "./reading/read.ts";

/** `strict` (training) demands a closed \boxed{} or an <answer> block; `lenient` (evaluation) also reads plain text. */
export type Profile = "strict" | "lenient";

/** A completion with its reference, and what was found in both. */
export type Case = {
  completion: string;
  answer: string;
  found: Extracted;
  reference: Extracted;
  profile: Profile;
  leniency: Leniency;
};

/** What a rule says: equal or not, and under which name. Undefined leaves it to the next one. */
type Outcome = { equal: boolean; rule: string } | undefined;

const equal = (rule: string | undefined): Outcome => (rule === undefined ? undefined : { equal: true, rule });
const said = (yes: boolean, rule: string): Outcome => ({ equal: yes, rule });

/** The reference is a letter, or several: the completion must choose just those. */
function choice({ completion, answer, found, reference, profile }: Case): Outcome {
  const asked = lettersOnly(answer) ?? lettersOnly(reference.span);
  if (!asked) return undefined;
  const chosen = profile === "strict" ? chosenIn(found.span) : findChoice(readable(completion));
  // AC may be two letters or a product.
  return chosen === asked || asked.length === 1 || chosen ? said(chosen === asked, "choice") : undefined;
}

/** The completion gives a letter, and the reference an option with its letter and its text. */
function letterOfOption({ answer, found, reference }: Case): Outcome {
  const given = lettersOnly(found.span);
  if (given?.length !== 1 || (reference.node.kind !== "text" && !withoutMark(answer))) return undefined;
  const asked = withoutMark(answer) ? choiceIn(answer) : findChoice(answer);
  return asked ? said(asked === given, "choice") : undefined;
}

/** One side has the mark of an option before its value: (C) 42. With both, the marks must be one. */
function markedOption({ found, reference, leniency }: Case): Outcome {
  const [bare, asked] = [withoutMark(found.span), withoutMark(reference.span)];
  if (!bare && !asked) return undefined;
  if (bare && asked && choiceIn(found.span) !== choiceIn(reference.span)) return said(false, "choice");
  return equal(compareAnswers(readAnswer(bare ?? found.span), readAnswer(asked ?? reference.span), leniency));
}

/** (1,000) is a pair, or a number in brackets where one is asked for. */
function numberInBrackets({ found, reference, leniency }: Case): Outcome {
  const grouped = reference.node.kind === "number" && /^\(([1-9]\d{0,2}(?:,\d{3})+)\)$/.exec(found.span.trim());
  return grouped ? equal(compareAnswers(readAnswer(grouped[1]!), reference.node, leniency)) : undefined;
}

/** Both say the same in the same words and signs. */
function text({ answer, found, reference }: Case): Outcome {
  return sameText(found.span, answer) || sameText(found.span, reference.span) ? said(true, "same text") : undefined;
}

/** Both mean the same: see comparison/compare.ts. */
function meaning({ found, reference, leniency }: Case): Outcome {
  return equal(compareAnswers(found.node, reference.node, leniency));
}

/** Lenient only: a reference of words stands where the completion answers. */
function words({ completion, reference, profile }: Case): Outcome {
  if (profile === "strict" || reference.node.kind !== "text") return undefined;
  return wordsAt(completion).some((given) => sameText(given, reference.span)) ? said(true, "same words") : undefined;
}

const RULES = [choice, letterOfOption, markedOption, numberInBrackets, text, meaning, words];

/** The verdict of the first rule that has one; what no rule calls equal is not. */
export function decide(given: Case): { equal: boolean; rule: string } {
  for (const rule of RULES) {
    const outcome = rule(given);
    if (outcome) return outcome;
  }
  return { equal: false, rule: "no rule" };
}
