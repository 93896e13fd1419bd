/** @file Numbers in words: forty-two, one hundred and twenty, 一百 is not among them. */

import { add, integer, multiply, type Rational, ratio } from "../algebra/rational.ts";

const UNITS_AND_TEENS =
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(
    " ",
  );
const TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split(" ");

const SMALL: ReadonlyMap<string, bigint> = new Map([
  ...UNITS_AND_TEENS.map((word, i): [string, bigint] => [word, BigInt(i)]),
  ...TENS.map((word, i): [string, bigint] => [word, BigInt(10 * (i + 2))]),
]);

const LARGE: ReadonlyMap<string, bigint> = new Map([
  ["thousand", 1_000n],
  ["million", 1_000_000n],
  ["billion", 1_000_000_000n],
  ["trillion", 1_000_000_000_000n],
]);

/** Whether a word is part of a number in words. */
export const isNumberWord = (word: string): boolean => SMALL.has(word) || LARGE.has(word) || word === "hundred";

const PARTS = "half third quarter fifth sixth seventh eighth ninth tenth".split(" ");
const PART = new RegExp(`^(?:(.+?)[\\s-]+and[\\s-]+)?(a|an|[a-z]+)[\\s-]+(${PARTS.join("|")}|fourth|halve)s?$`);

/** The number that a text spells out, and nothing else: forty-two, two-thirds, three and a half. */
export function numberInWords(text: string): Rational | undefined {
  if (text.length > 200) return undefined;
  const lower = text.toLowerCase().trim();
  const sign = /^(?:negative|minus)\s/.test(lower) ? -1n : 1n;
  const plain = lower.replace(/^(?:negative|minus)\s/, "");
  const whole = wholeInWords(plain);
  if (whole !== undefined) return integer(sign * whole);
  if (plain === "half") return ratio(sign, 2n);
  if (plain === "a dozen" || plain === "one dozen") return integer(12n * sign);
  if (/^a (?:hundred|thousand|million)/.test(plain)) return numberInWords(lower.replace(/\ba /, "one "));
  const [found, before, count, part] = PART.exec(plain) ?? [];
  if (found === undefined) return undefined;
  const top = /^an?$/.test(count!) ? 1n : SMALL.get(count!);
  const base = before === undefined ? 0n : wholeInWords(before);
  if (top === undefined || top === 0n || base === undefined) return undefined;
  const bottom = part === "fourth" ? 4n : part === "halve" ? 2n : BigInt(PARTS.indexOf(part!) + 2);
  return multiply(integer(sign), add(integer(base), ratio(top, bottom)));
}

function wholeInWords(text: string): bigint | undefined {
  const words = text.split(/[\s-]+/);
  let [total, group, last] = [0n, 0n, -1n];
  for (const [i, word] of words.entries()) {
    if (word === "and" && i > 0 && i < words.length - 1) continue;
    const small = SMALL.get(word);
    if (small !== undefined) {
      // "twenty five" is a number, "five twenty" and "two three" are two.
      if (last >= 0n && !(last >= 20n && last < 100n && small > 0n && small < 10n)) return undefined;
      group += small;
      last = small;
    } else if (word === "hundred" && group > 0n && group < 10n) {
      group *= 100n;
      last = -1n;
    } else if (LARGE.has(word) && group > 0n) {
      total += group * LARGE.get(word)!;
      group = 0n;
      last = -1n;
    } else return undefined;
  }
  return total + group;
}
