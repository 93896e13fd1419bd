/** @file The reasoning of an answer and the answer behind it as one text, wherever the server put them. */

import type { ReasoningPlace } from "../../core/trace.ts";

const [OPEN, CLOSE] = ["<think>", "</think>"];

/**
 * <think>reasoning</think>answer. A block is closed only where something stands behind it: whether a completion came to its
 * end is not seen from the place where its reasoning is, but from its finish_reason.
 */
export function joinReasoning(
  content: string,
  field: string,
  { reasoning, prefilled }: { reasoning: "auto" | "field" | "inline"; prefilled: boolean },
): { completion: string; place: ReasoningPlace } {
  if (reasoning !== "inline" && field.trim() !== "") {
    const closed = content.lastIndexOf(CLOSE);
    // some give the block in both places
    if (content.includes(OPEN) && closed >= 0)
      return { completion: content.slice(content.indexOf(OPEN)), place: "field" };
    // a text that ends completions may have cut the reasoning, and left the rest of its tag here
    const torn = /^\s*<?\/?(?:think|hink|ink|nk|k)>/.exec(content)?.[0] ?? "";
    const [more, answer] =
      closed >= 0 ? [content.slice(0, closed), content.slice(closed + CLOSE.length)] : ["", content.slice(torn.length)];
    const block = `${OPEN}${field}${more}`;
    const ended = answer !== "" || closed >= 0 || torn !== "";
    return { completion: ended ? `${block}${CLOSE}${answer}` : block, place: "field" };
  }
  if (reasoning === "field") return { completion: content, place: "none" };
  const [opened, closed] = [content.indexOf(OPEN), content.indexOf(CLOSE)];
  if (opened >= 0 && (closed < 0 || opened < closed)) return { completion: content, place: "inline" };
  if (closed >= 0 && !prefilled) return { completion: `${OPEN}${content}`, place: "prefilled" };
  return { completion: content, place: closed >= 0 || prefilled ? "inline" : "none" };
}
