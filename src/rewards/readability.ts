/**
 * @file Filters for reasoning that is pleasant to read. Each gives 1 or 0. Source: DeepSeek-R1 2.3.3 (mixed languages,
 * long paragraphs, code blocks) and its second version B.3.2 (repetition); it gives no thresholds, these are ours.
 */

import { z } from "zod";
import { languageOption, ofLanguages, reasoningWords } from "./language-consistency.ts";
import { answerPart, reasoningPart, repeatedShare, splitWords } from "./parts.ts";
import { defineReward, type Score } from "./reward.ts";

const keep = (fine: boolean, reason: string): Score => ({ score: Number(fine), reason });

export const mixed_language = defineReward({
  options: z
    .strictObject({
      language: languageOption,
      min_share: z.number().min(0).max(1).default(0.95).describe("The least share of its words."),
    })
    .describe("1 iff at least min_share of the reasoning's words are in the target language."),
  version: "3",
  create: ({ language, min_share }) =>
    ofLanguages((sample) => {
      const words = reasoningWords(sample, language);
      if (typeof words === "string") return { score: null, asksNothing: true, reason: words };
      return keep(words.share >= min_share, `${words.target} of ${words.total} words are ${words.language}`);
    }),
});

export const long_paragraphs = defineReward({
  options: z
    .strictObject({ max_characters: z.int().positive().default(2000).describe("The most characters in a paragraph.") })
    .describe("1 iff no paragraph of the reasoning is longer than max_characters; paragraphs end at empty lines."),
  version: "2",
  create:
    ({ max_characters }) =>
    ({ completion }) => {
      const paragraphs = reasoningPart(completion)
        .replace(/\r\n?/g, "\n")
        .split(/\n[^\S\n]*\n/);
      const longest = Math.max(...paragraphs.map((paragraph) => [...paragraph.trim()].length));
      return keep(longest <= max_characters, `the longest paragraph has ${longest} characters`);
    },
});

export const code_blocks = defineReward({
  options: z
    .strictObject({ max_blocks: z.int().min(0).default(0).describe("The most fences of code.") })
    .describe("1 iff the reasoning has at most max_blocks fences of code, closed or not."),
  create:
    ({ max_blocks }) =>
    ({ completion }) => {
      const fences = reasoningPart(completion).match(/^[ \t]*(?:`{3,}|~{3,})/gm)?.length ?? 0;
      const blocks = Math.ceil(fences / 2);
      return keep(blocks <= max_blocks, `${blocks} code blocks in the reasoning`);
    },
});

export const repetition = defineReward({
  options: z
    .strictObject({
      ngram_size: z.int().positive().default(10).describe("Words in an n-gram."),
      max_share: z
        .number()
        .min(0)
        .max(1)
        .default(0.2)
        .describe("The largest share of n-grams that may repeat another."),
      max_tail: z.int().min(2).default(4).describe("So many copies of one line at the end are too many."),
    })
    .describe(
      "1 iff few of the completion's n-grams repeat another (1 - unique / total), and it does not end in copies of one line.",
    ),
  create:
    ({ ngram_size, max_share, max_tail }) =>
    ({ completion }) => {
      const share = repeatedShare(splitWords(completion), ngram_size);
      if (share > max_share) return keep(false, `${(share * 100).toFixed(1)} % of ${ngram_size}-grams repeat another`);
      const lines = completion.split(/\r?\n/).flatMap((line) => line.trim() || []);
      const tail = lines.length - 1 - lines.findLastIndex((line) => line !== lines.at(-1));
      if (tail >= max_tail) return keep(false, `it ends in ${tail} copies of one line`);
      return keep(true, `${(share * 100).toFixed(1)} % of ${ngram_size}-grams repeat another`);
    },
});

export const truncation = defineReward({
  options: z
    .strictObject({})
    .describe("1 iff the completion was not cut, closes its reasoning exactly once, and answers after it."),
  create:
    () =>
    ({ completion, finish_reason }) => {
      if (finish_reason === "length") return keep(false, "cut at the limit of tokens");
      const closings = completion.split("</think>").length - 1;
      if (closings !== 1) return keep(false, `</think> occurs ${closings} times`);
      const answered = answerPart(completion).trim() !== "";
      return keep(answered, answered ? "an answer follows the reasoning" : "nothing follows the reasoning");
    },
});
