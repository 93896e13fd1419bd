/** @file Whether a completion is laid out as one block of thought and one answer. */

import { z } from "zod";
import { defineReward } from "./reward.ts";

const options = z.strictObject({
  think_prefilled: z
    .boolean()
    .default(false)
    .describe("The chat template has already opened `<think>`, so the completion begins inside it."),
});

const LAYOUT = ["<think>", "</think>", "<answer>", "</answer>"];

export const format = defineReward({
  options: options.describe(
    "1 where the completion is one <think> block, then one <answer> block that is not empty, and nothing else; otherwise 0.",
  ),
  create({ think_prefilled }) {
    return ({ completion }) => {
      const fault = findFault(think_prefilled ? `<think>${completion}` : completion);
      return { score: fault ? 0 : 1, reason: fault ?? "one <think> block, then one <answer> block" };
    };
  },
});

function findFault(text: string): string | undefined {
  const tags: { name: string; start: number; end: number }[] = [];
  for (const match of text.matchAll(/<\/?(?:think|answer)>/g)) {
    tags.push({ name: match[0], start: match.index, end: match.index + match[0].length });
    if (tags.length > LAYOUT.length) break;
  }
  const misplaced = LAYOUT.findIndex((tag, i) => tags[i]?.name !== tag);
  if (misplaced >= 0) return `${tags[misplaced]?.name ?? "the end"} stands where ${LAYOUT[misplaced]} was expected`;
  if (tags.length > LAYOUT.length) return `${tags[LAYOUT.length]!.name} stands after the answer`;
  const [think, thinkEnd, answer, answerEnd] = [tags[0]!, tags[1]!, tags[2]!, tags[3]!];
  const blank = (from: number, to: number) => text.slice(from, to).trim() === "";
  if (!blank(0, think.start)) return "there is text before <think>";
  if (!blank(thinkEnd.end, answer.start)) return "there is text between </think> and <answer>";
  if (!blank(answerEnd.end, text.length)) return "there is text after </answer>";
  if (blank(answer.end, answerEnd.start)) return "the answer is empty";
  return undefined;
}
