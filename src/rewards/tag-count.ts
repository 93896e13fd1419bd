import { z } from "zod";
import { defineReward } from "./reward.ts";

const TAGS = ["<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>"];

/**
 * Partial credit for the format: 0.25 · (tags that occur exactly once, with their line breaks). A tag that occurs a second
 * time in any form earns nothing. Source: open-r1, `tag_count_reward`.
 */
export const tag_count = defineReward({
  options: z
    .strictObject({
      think_in_prompt: z
        .boolean()
        .default(false)
        .describe("The prompt ends with `<think>\n`, as the chat templates of reasoning models write it."),
    })
    .describe("A quarter for each tag of the format that occurs exactly once, with its line breaks."),
  create:
    ({ think_in_prompt }) =>
    ({ completion }) => {
      const text = think_in_prompt ? `<think>\n${completion}` : completion;
      const times = (tag: string) => text.split(tag).length - 1;
      const wrong = TAGS.filter((tag) => times(tag) !== 1 || times(tag.trim()) !== 1);
      return {
        score: 0.25 * (TAGS.length - wrong.length),
        reason:
          wrong.length === 0
            ? "each tag once"
            : `not exactly once on its line: ${wrong.map((tag) => tag.trim()).join(" ")}`,
      };
    },
});
