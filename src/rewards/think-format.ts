import { z } from "zod";
import { defineReward } from "./reward.ts";

/**
 * The layout of R1 and the models distilled from it: one block of thoughts with a letter or a digit in them, then an answer, which
 * may also be a sign such as ∞. Source: DeepSeek-R1 2.2.2 and its usage recommendations; TRL's think_format_reward, which accepts empty thoughts and no answer.
 */
export const think_format = defineReward({
  options: z
    .strictObject({
      think_prefilled: z
        .boolean()
        .default(false)
        .describe("The chat template has already opened `<think>`, so the completion need not."),
    })
    .describe("1 where the completion is one <think> block with thoughts in it and then an answer; otherwise 0."),
  version: "2",
  create:
    ({ think_prefilled }) =>
    ({ completion }) => {
      const fault = findFault(completion, think_prefilled);
      return { score: fault ? 0 : 1, reason: fault ?? "one <think> block, then the answer" };
    },
});

function findFault(completion: string, prefilled: boolean): string | undefined {
  const text = completion.trimStart();
  const opened = text.startsWith("<think>");
  if (!opened && !prefilled) return "it does not begin with <think>";
  const thoughts = opened ? text.slice("<think>".length) : text;
  const end = thoughts.indexOf("</think>");
  if (end < 0) return "<think> is not closed";
  const answer = thoughts.slice(end + "</think>".length);
  if (thoughts.slice(0, end).includes("<think>")) return "<think> stands in the thoughts";
  if (/<\/?think>/.test(answer)) return "a tag of the thoughts stands in the answer";
  if (!/[\p{L}\p{N}]/u.test(thoughts.slice(0, end))) return "the thoughts are empty";
  if (!/[\p{L}\p{N}\p{S}]/u.test(answer)) return "nothing follows the thoughts";
  return undefined;
}
