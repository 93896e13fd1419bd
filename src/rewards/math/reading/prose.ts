/** @file Words beside a value: which of them say nothing, and which change what is said. */

import { isNumberWord } from "./number-words.ts";

const table = (words: string): ReadonlySet<string> => new Set(words.trim().split(/\s+/));

/** Words that may stand before a value and say nothing. */
const INTRODUCING = table(`
  the all base final answer result solution value is are equals equal to so thus hence therefore we get have it total of
  approximately about around roughly approx approx. exactly nearly circa ca our that this he she they there will be
  has gets needs costs makes sum final: answer: is: = domain range area volume perimeter length distance number
  probability
  约 大约 约为 答 答案 答案是 共 等于 为 是`);

/** Words that deny, doubt, choose between or compute with the value beside them. */
const CHANGING = table(`
  not no never nor neither none isnt isn't doesnt doesn't dont don't wasnt wasn't arent aren't wrong incorrect false
  impossible cannot cant can't maybe perhaps possibly possible probably likely might may could or either versus vs if
  when unless otherwise else except excluding excludes without minus plus times divided less than greater larger smaller
  fewer least most over under above below between through until within up half halves third thirds quarter quarters
  fourth fourths fifth fifths tenth tenths hundredth hundredths double doubled tripled halved quadrupled gross twice triple remainder negative squared cubed
  factorial alternatively instead also but however wait actually guess unsure unknown undefined root thrice modulo mod
  hundreds thousands millions billions trillions dozens lakh lakhs crore crores score inverse reciprocal error
  tbd depends depending roughly-not rejected discarded bad inadmissible extraneous invalid
  不 不是 或 或者 也许 可能 错 错误 除了 如果 分之`);

/** What is said of another value: "the square of 7". */
export const COMPUTED_FROM =
  /\b(?:square|cube|(?:square |cube )?root|half|double|twice|triple|third|quarter|reciprocal|inverse|negative|opposite|multiple|factor|divisor|power|factorial|logarithm|log|digits?)s? (?:of|than)\s*$/i;

/** What goes on after a value. */
const GOES_ON = /\b(?:and|among) (?:more|others?|so on|so forth)\b|\betc\b/i;

/** What may follow "is" or "are" after a value. */
const STATED = table("needed required left remaining sold used made there correct right");

const wordsOf = (text: string): string[] =>
  text
    .toLowerCase()
    .replace(/[“”"’]/g, (c) => (c === "’" ? "'" : " "))
    .split(/[\s,;:()[\]{}~$]+|\.(?:\s|$)/)
    .filter((word) => word !== "");

/** Whether words before a value say nothing: "The answer is", "approximately". */
export const isIntroduction = (text: string): boolean => wordsOf(text).every((word) => INTRODUCING.has(word));

/** Whether words after a value leave it as it is: nouns, "of the cake", "(the only solution)", "is the answer". */
export function isHarmless(text: string): boolean {
  if (GOES_ON.test(text)) return false;
  const words = wordsOf(
    text
      .replace(/\bor (?:so|thereabouts)\b/gi, " ")
      .replace(/\bis the (?:\w+ )?(?:answer|solution|result|value)\b/gi, " "),
  );
  return words.every((word, i) => {
    if (/[\d?]/.test(word) || CHANGING.has(word) || isNumberWord(word)) return false;
    // 不 and 或 stand inside a run of characters.
    if (/[不或非错]/u.test(word)) return false;
    if (word === "is" || word === "are" || word === "was") return STATED.has(words[i + 1] ?? "");
    return true;
  });
}

const OPPOSITES = [
  ["left", "right"],
  ["up", "down"],
  ["upward", "downward"],
  ["upwards", "downwards"],
  ["above", "below"],
  ["north", "south"],
  ["n", "s"],
  ["east", "west"],
  ["e", "w"],
  ["increase", "decrease"],
  ["increased", "decreased"],
  ["rise", "fall"],
  ["profit", "loss"],
  ["gain", "loss"],
  ["gained", "lost"],
  ["late", "early"],
  ["later", "earlier"],
  ["before", "after"],
  ["ago", "later"],
  ["bc", "ad"],
  ["bce", "ce"],
  ["clockwise", "counterclockwise"],
  ["clockwise", "anticlockwise"],
  ["more", "less"],
  ["more", "fewer"],
  ["older", "younger"],
  ["taller", "shorter"],
  ["longer", "shorter"],
  ["faster", "slower"],
  ["higher", "lower"],
  ["boys", "girls"],
  ["men", "women"],
  ["wins", "losses"],
  ["am", "pm"],
  ["even", "odd"],
  ["prime", "composite"],
  ["positive", "negative"],
  ["rational", "irrational"],
] as const;

/** Whether the words after two values name opposites: 5 to the left, 5 to the right. */
export function areOpposed(a: string, b: string): boolean {
  const [x, y] = [
    new Set(wordsOf(a.replace(/counter-/gi, "counter"))),
    new Set(wordsOf(b.replace(/counter-/gi, "counter"))),
  ];
  return OPPOSITES.some(([one, other]) => (x.has(one) && y.has(other)) || (x.has(other) && y.has(one)));
}

/** Whether words only say of which letters the answer holds: "for all x", "where c is a constant". */
export const opensQualifier = (text: string): boolean =>
  /^\s*,?\s*(?:for (?:all|any|every|each|some|arbitrary)\b|for (?:real|integer|positive|nonnegative|non-negative|natural|constants?)\b|where\b|for$|∀|с любым|pour tout|für alle|para todo|对于?任意|其中|as (?:required|desired|claimed|needed|wanted|expected|stated)\b)/i.test(
    text,
  );
