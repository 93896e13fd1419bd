/** @file Sentences that claim a value, and sentences that only name it; words that name opposites. */

import { between, isHeads, type Maker, pick } from "./pair.ts";

/** A value is claimed, or doubted, supposed, rejected, compared with and thought of by others. */
export const claims: Maker = (random) => {
  const n = between(random, 10, 900);
  const other = n + between(random, 1, 60);
  const claimed = [
    `It is not hard to see that the answer is ${n}.`,
    `No doubt the answer is ${n}.`,
    `Many think the answer is ${other}. The answer is ${n}.`,
    `One might say it is ${other}. Actually, it is ${n}.`,
    `${other} does not work, so the answer is ${n}.`,
    `The answer would be ${other} if x were odd, so the answer is ${n}.`,
    `The maximum is ${n}, attained at x = ${other}.`,
    `There are ${n} of them out of ${other}.`,
    `The answer is ${n}. This satisfies the equation since ${n} + 1 = ${n + 1}.`,
    `I cannot find an error, so the answer is ${n}.`,
  ];
  const named = [
    `There is no way that the answer is ${n}.`,
    `I doubt that the answer is ${n}.`,
    `The answer may be ${n}.`,
    `It could be ${n} or ${other}.`,
    `Suppose the answer is ${n}.`,
    `Nobody knows whether the answer is ${n}.`,
    `${n} cannot be right.`,
    `The answer is ${n}, but this is wrong.`,
    `The answer is ${n} only if x is even; otherwise it is ${other}.`,
    `The answer exceeds ${n}.`,
    `The answer is different from ${n}.`,
    `The answer is the square of ${n}.`,
    `It would be a mistake to say that the answer is ${n}.`,
    `The answer is not \\boxed{${n}}.`,
    `\\boxed{${n}} is wrong.`,
  ];
  const equal = isHeads(random);
  return { prediction: pick(random, equal ? claimed : named), answer: `${n}`, equal, profile: "lenient" };
};

const OPPOSITES = [
  ["units to the left", "units to the right"],
  ["\\% increase", "\\% decrease"],
  ["dollars profit", "dollars loss"],
  ["minutes late", "minutes early"],
  ["years ago", "years later"],
  ["meters above sea level", "meters below sea level"],
] as const;

/** The same words, or their opposite, behind a number. */
export const opposites: Maker = (random) => {
  const n = between(random, 2, 99);
  const [one, other] = random.shuffled([...pick(random, OPPOSITES)]) as [string, string];
  const write = (words: string) =>
    words.startsWith("\\%") ? `${n}\\% \\text{${words.slice(2)}}` : `${n} \\text{ ${words}}`;
  const equal = isHeads(random);
  return { prediction: write(equal ? one : other), answer: write(one), equal };
};
