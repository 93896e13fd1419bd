/** @file Answers that are words. */

import { plainWords, sameText } from "../extraction/text.ts";
import { sameTime } from "../reading/times.ts";
import type { Node } from "../tree.ts";
import type { Rule } from "./compare.ts";

/** Words are equal as words; letters side by side may be one. */
export function texts(a: Node, b: Node): Rule {
  const written = (node: Node) => (node.kind === "text" ? node.text : lettersOf(node));
  const [x, y] = [written(a), written(b)];
  if (x === undefined || y === undefined) return undefined;
  if (sameTime(x, y)) return "same time";
  if (sameText(x, y)) return "same words";
  const [means, meant] = [
    PHRASES.find((phrase) => phrase.test(x.trim())),
    PHRASES.find((phrase) => phrase.test(y.trim())),
  ];
  if (means !== undefined && means === meant) return "same phrase";
  const empty = [a, b].some((node) => node.kind === "symbol" && node.name === "emptyset");
  if (empty && (PHRASES[0]!.test(x.trim()) || PHRASES[0]!.test(y.trim()))) return "no solution";
  if (sameNames(x, y)) return "same words in another order";
  // A verdict with its reason: "Yes, it converges".
  const verdict = /^(yes|no|true|false)(?=$|[,.;:!]|\s\()/i;
  const [given, asked] = [verdict.exec(x.trim())?.[1], verdict.exec(y.trim())?.[0]];
  return given &&
    asked &&
    !/\b(?:yes|no|true|false|maybe)\b/i.test(x.trim().slice(given.length)) &&
    asked.length === y.trim().length &&
    given.toLowerCase() === asked.toLowerCase()
    ? "same verdict"
    : undefined;
}

const PHRASES = [
  /^(?:\\text\{)?(?:there (?:is|are) )?no solutions?(?: exists?)?\}?[.!]*$/i,
  /^(?:\\text\{)?(?:there (?:is|are) )?no real solutions?(?: exists?)?\}?[.!]*$/i,
  /^(?:\\text\{)?(?:it |the limit )?(?:does not exist|doesn['’]t exist|DNE)\}?[.!]*$/i,
  /^(?:\\text\{)?(?:there are )?(?:infinitely many|infinite|an infinite number of)(?: solutions)?\}?[.!]*$/i,
];

const JOINED = /\s(?:and|&)\s/;

/** Names that "and" joins, in any order. */
function sameNames(a: string, b: string): boolean {
  const [x, y] = [namesOf(a), namesOf(b)];
  if (!JOINED.test(a) && !JOINED.test(b)) return false;
  if (!x || !y || x.length !== y.length || new Set(x).size !== x.length) return false;
  return x.every((name) => y.includes(name));
}

function namesOf(text: string): string[] | undefined {
  const words = plainWords(text);
  if (words.length > 200 || !/\s(?:and|&)\s|,/.test(words) || /\b(?:or|not|then|before|after|first)\b/i.test(words))
    return undefined;
  const names = words.toLowerCase().split(/\s*,?\s+(?:and|&)\s+|\s*,\s*/);
  return names.every((name) => name !== "" && !name.includes(" and ")) ? names : undefined;
}

/** The letters of a product of letters, as in $odd$. */
function lettersOf(node: Node): string | undefined {
  if (node.kind === "symbol") return node.name.replace(/^\\/, "");
  if (node.kind !== "operation" || node.op !== "*") return undefined;
  const [left, right] = [lettersOf(node.left), lettersOf(node.right)];
  return left !== undefined && right !== undefined ? left + right : undefined;
}
