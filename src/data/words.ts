/** @file Words of a text as comparisons of texts see them. */

export type Word = {
  /** Lower case, without endings; a number without separators. */
  word: string;
  /** Where it stands in the text. */
  start: number;
  end: number;
  isNumber: boolean;
};

/** Words that say little of what a text is about, and those that every question has. */
const STOP_LIST = new Set(
  `a an the this that these those of in on at to for from with by as and or but if then so than into out up
  is are was were be been being am do does did done have has had having will would can could should may might must
  he she it they them his her hers its their theirs him we you i me my your our who whom whose which what when where
  there here how many much more most some any each every all both no not only also just very too other another same
  first second next after before during while until about over under per total altogether left remaining number
  find calculate compute determine answer question problem please step reason put final boxed show give value
  let suppose following get now still`.split(/\s+/),
);

const NUMBERS = new Map(
  [
    ..."two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
      .split(" ")
      .map((word, i) => [word, i + 2] as const),
    ..."twenty thirty forty fifty sixty seventy eighty ninety hundred"
      .split(" ")
      .map((word, i) => [word, 10 * i + 20] as const),
  ].map(([word, number]) => [word, String(number)]),
);

/** The words and numbers of a text in their order. */
export function wordsOf(text: string): Word[] {
  return [...text.matchAll(/\d+(?:[.,]\d+)*|\p{L}+/gu)].map(({ 0: found, index: start }) => {
    const lower = found.normalize("NFKC").toLowerCase();
    const number = /^\d/.test(lower) ? lower.replaceAll(",", "") : NUMBERS.get(lower);
    return { word: number ?? stem(lower), start, end: start + found.length, isNumber: number !== undefined };
  });
}

/** The words that are not on the stop list. */
export const contentOf = (words: readonly Word[]): Word[] => words.filter(({ word }) => !STOP_LIST.has(word));

/** A word without its plural, -ed or -ing. Irregular forms stay what they are. */
function stem(word: string): string {
  if (STOP_LIST.has(word) || word.length < 4) return word;
  const base = word.replace(/(?:ies|ing|es|ed|s|y|e)$/, "");
  return base.length >= 3 ? base : word;
}
