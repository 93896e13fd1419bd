/** @file Answers that are words: compared without case, markup and punctuation. */

/** The text without any of these characters at its end. (A regular expression would try each place of a long run.) */
export function withoutEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** The words of an answer, markup removed. */
export function plainWords(text: string): string {
  const words = text
    .slice(0, 4_000)
    .replace(/\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|boxed|operatorname)\s?(?=\{)/g, "")
    .replace(/\\[,;:!> ]|\\(?:quad|qquad|left|right|displaystyle)\b|~/g, " ")
    .replace(/["“”`]|\*\*/g, "")
    // Not nothing: \frac{1}{23} is no \frac{12}{3}.
    .replace(/\$|\\[()[\]]|[{}]/g, " ")
    .replace(/\s+/g, " ");
  return withoutEnd(words, ".。! ").trim();
}

/** Whether two texts say the same; the case of a single letter matters. */
export function sameText(a: string, b: string): boolean {
  const [x, y] = [plainWords(a), plainWords(b)].map((text) => text.replace(/\s*([,;:=<>+\-*/()|^_])\s*/g, "$1")) as [
    string,
    string,
  ];
  if (x === "" || y === "") return false;
  return x === y || (isWords(x) && isWords(y) && x.toLowerCase() === y.toLowerCase());
}

const isWords = (text: string) => /^[\p{L}\p{N} ,.'’-]+$/u.test(text) && /\p{L}\p{L}/u.test(text);
