/** @file The parts of a completion: reasoning and answer, and the words in a text. */

/** What follows the reasoning: the text after the last `</think>`; all of it where no reasoning was opened or closed. */
export function answerPart(completion: string): string {
  const end = completion.lastIndexOf("</think>");
  if (end !== -1) return completion.slice(end + "</think>".length);
  return completion.includes("<think>") ? "" : completion;
}

/** The text before `</think>`, without an opening `<think>`, which may stand in the prompt; all of it where it never closes. */
export function reasoningPart(completion: string): string {
  const reasoning = completion.split("</think>")[0]!;
  return reasoning.slice(reasoning.indexOf("<think>") === -1 ? 0 : reasoning.indexOf("<think>") + "<think>".length);
}

/** A text without code, LaTeX and URLs. */
export function prose(text: string): string {
  return text
    .replace(/^[ \t]*(`{3,}|~{3,})[\s\S]*?(?:^[ \t]*\1[`~]*[ \t]*$|$(?![\s\S]))/gm, " ")
    .replace(/`[^`\n]*`/g, " ")
    .replace(/\bhttps?:\/\/\S+|\bwww\.\S+/gi, " ")
    .replace(/\$\$[\s\S]*?\$\$|\\\[[\s\S]*?\\\]|\\\([\s\S]*?\\\)/g, " ")
    .replace(/\\begin\{(\w+\*?)\}[\s\S]*?\\end\{\1\}/g, " ")
    .replace(/\$[^$\n]*\$/g, " ")
    .replace(/\\boxed\{[^{}\n]*\}|\\[A-Za-z]+/g, " ");
}

/** Lower-cased words: between spaces; each sign of a script that writes without spaces is one. */
export const splitWords = (text: string): string[] =>
  text
    .toLowerCase()
    .match(
      /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[^\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]+/gu,
    ) ?? [];

/** The share of n-grams that repeat an earlier one: 1 − unique / total; 0 for a text shorter than n words. */
export function repeatedShare(words: readonly string[], n: number): number {
  const total = words.length - n + 1;
  if (total < 1) return 0;
  const unique = new Set(Array.from({ length: total }, (_, i) => words.slice(i, i + n).join(" ")));
  return 1 - unique.size / total;
}
