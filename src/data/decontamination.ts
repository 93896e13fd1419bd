/** @file Questions of evaluation sets that stand in other texts, whole, in part or in other words. */

import { z } from "zod";
import { contentOf, type Word, wordsOf } from "./words.ts";

export const DecontaminationOptions = z.strictObject({
  /** So many words behind each other, those of the stop list left out, are not the same by chance. */
  n_gram: z.int().min(3).default(10),
  /** The share of a question's words, the rare ones counting more, that makes a text the question reworded. */
  overlap: z.number().gt(0).max(1).default(0.68),
});
export type DecontaminationOptions = z.output<typeof DecontaminationOptions>;

export type EvaluationQuestion = { source: string; id: string; text: string };

export type Contamination = {
  source: string;
  id: string;
  /** The same words, a run of words in common, or the same numbers among mostly the same words. */
  kind: "exact" | "n_gram" | "reworded";
  /** Characters of the text that match, from `start` to before `end`. */
  start: number;
  end: number;
  span: string;
  /** The share of the question's words that are there, the rare ones counting more. */
  overlap: number;
};

const BOILERPLATE = 4; // questions that share a run of words: it is a phrase, not a question
const COMMON = 0.05; // words in more of the questions than this find no candidates

type Indexed = EvaluationQuestion & {
  /** How often each word occurs. */
  words: Map<string, number>;
  numbers: Map<string, number>;
  length: number;
  /** Σ weight of its words. */
  weight: number;
};

/** A search for any of the questions in a text. Questions shorter than an n-gram are found only where they are the whole text. */
export function contaminationSearch(
  questions: readonly EvaluationQuestion[],
  { n_gram, overlap }: DecontaminationOptions,
): (text: string) => Contamination | undefined {
  const whole = new Map<string, number>();
  const runs = new Map<string, number[]>();
  const frequency = new Map<string, number>();
  const contents = questions.map(({ text }, i) => {
    const words = wordsOf(text);
    if (!whole.has(keyOf(words))) whole.set(keyOf(words), i);
    const content = contentOf(words);
    for (const run of new Set(runsOf(content, n_gram))) append(runs, run, i);
    for (const word of new Set(content.map(({ word }) => word))) frequency.set(word, (frequency.get(word) ?? 0) + 1);
    return content;
  });
  for (const [run, found] of runs) if (found.length >= BOILERPLATE) runs.delete(run);
  // inverse document frequency: log((N + 1) / df)
  const weightOf = (word: string) => Math.log((questions.length + 1) / (frequency.get(word) ?? 1)) + 0.1;
  const rare = new Map<string, number[]>();
  const indexed = contents.map((content, i): Indexed => {
    const words = countsOf(content);
    const numbers = countsOf(content.filter(({ isNumber }) => isNumber));
    let weight = 0;
    for (const [word, count] of words) {
      weight += count * weightOf(word);
      if (content.length >= n_gram && frequency.get(word)! <= Math.max(3, COMMON * questions.length))
        append(rare, word, i);
    }
    return { ...questions[i]!, words, numbers, length: content.length, weight };
  });
  const found = new Float64Array(questions.length);

  return (text) => {
    const words = wordsOf(text);
    const content = contentOf(words);
    const same = whole.get(keyOf(words));
    const matchOf = (question: Indexed, kind: Contamination["kind"], from: Word, to: Word, share: number) => ({
      ...{ source: question.source, id: question.id, kind, start: from.start, end: to.end },
      ...{ span: text.slice(from.start, to.end), overlap: Math.round(share * 1000) / 1000 },
    });
    if (same !== undefined && words.length > 0) return matchOf(indexed[same]!, "exact", words[0]!, words.at(-1)!, 1);
    for (const [at, run] of runsOf(content, n_gram).entries()) {
      const [first] = runs.get(run) ?? [];
      if (first === undefined) continue;
      let last = at;
      while (runs.get(runAt(content, last + 1, n_gram))?.includes(first)) last++;
      const span = content.slice(at, last + n_gram);
      const question = indexed[first]!;
      return matchOf(question, "n_gram", span[0]!, span.at(-1)!, shareOf(question, span, weightOf));
    }
    let best: Contamination | undefined;
    for (const candidate of candidates(content, rare, weightOf, found)) {
      const question = indexed[candidate]!;
      const match = bestWindow(question, content, weightOf);
      // numbers are most of the evidence: where there are hardly any, half of what may be missing may be
      const least = question.numbers.size < 2 ? (1 + overlap) / 2 : overlap;
      if (match && match.share >= least && match.share > (best?.overlap ?? 0))
        best = matchOf(question, "reworded", match.from, match.to, match.share);
    }
    return best;
  };
}

const keyOf = (words: readonly Word[]) => words.map(({ word }) => word).join(" ");

const runAt = (words: readonly Word[], at: number, n: number) =>
  at + n > words.length ? "" : keyOf(words.slice(at, at + n));

const runsOf = (words: readonly Word[], n: number) =>
  Array.from({ length: Math.max(0, words.length - n + 1) }, (_, at) => runAt(words, at, n));

function append<Key>(lists: Map<Key, number[]>, key: Key, value: number): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function countsOf(words: readonly Word[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { word } of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/** The questions that share most of a text's rare words. `found` is as long as there are questions, and zero. */
function candidates(
  content: readonly Word[],
  rare: ReadonlyMap<string, number[]>,
  weightOf: (word: string) => number,
  found: Float64Array,
): number[] {
  const touched: number[] = [];
  for (const word of new Set(content.map(({ word }) => word)))
    for (const question of rare.get(word) ?? []) {
      if (found[question] === 0) touched.push(question);
      found[question]! += weightOf(word);
    }
  const best = touched.sort((a, b) => found[b]! - found[a]!).slice(0, 8);
  for (const question of touched) found[question] = 0;
  return best;
}

/**
 * The stretch of the text, up to twice as long as the question, with the largest share of its words. Nothing where it
 * has not all of the question's numbers.
 */
function bestWindow(question: Indexed, content: readonly Word[], weightOf: (word: string) => number) {
  const width = Math.min(content.length, 2 * question.length);
  const step = Math.max(1, question.length >> 2);
  let best: { share: number; from: Word; to: Word } | undefined;
  for (let start = 0; start === 0 || start + width < content.length + step; start += step) {
    const window = content.slice(start, start + width);
    const counts = countsOf(window);
    if (![...question.numbers].every(([number, count]) => (counts.get(number) ?? 0) >= count)) continue;
    const share = shareOf(question, window, weightOf);
    const inside = window.filter(({ word }) => question.words.has(word));
    if (share > (best?.share ?? 0)) best = { share, from: inside[0]!, to: inside.at(-1)! };
  }
  return best;
}

/** Σ weight of the question's words that are in the window / Σ weight of all of them. */
function shareOf(question: Indexed, window: readonly Word[], weightOf: (word: string) => number): number {
  const counts = countsOf(window);
  let shared = 0;
  for (const [word, count] of question.words) shared += Math.min(count, counts.get(word) ?? 0) * weightOf(word);
  return shared / question.weight;
}
