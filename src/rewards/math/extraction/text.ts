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
    .replace(/\\(?:text(?!color)[a-z]*|emph|math(?:rm|bf|it|sf|tt|normal)|mbox|hbox|boxed|operatorname)\s?(?=\{)/g, "")
    .replace(/\\[,;:!> ]|\\(?:quad|qquad|left|right|displaystyle)\b|~/g, " ")
    .replace(/\\&/g, "&")
    .replace(/["“”`]|\*\*/g, "")
    // Not nothing: \frac{1}{23} is no \frac{12}{3}.
    .replace(/\$|\\[()[\]]|[{}]/g, " ")
    .replace(/\s+/g, " ");
  return withoutEnd(words, ".。! ").trim();
}

/**
 * Whether two texts say the same. Forgotten is only what cannot mean anything: layout, the marks around formulas and words,
 * a full stop at the end, the case of words. Braces, primes, exclamation marks and stars may be mathematics.
 */
export function sameText(a: string, b: string): boolean {
  const [x, y] = [essential(a), essential(b)];
  if (x === "" || y === "") return false;
  return x === y || (isWords(x) && isWords(y) && withoutArticle(x) === withoutArticle(y));
}

/** Spellings of one sign. */
const SPELLINGS: readonly (readonly [RegExp, string])[] = [
  [/\\[dtc]frac(?![A-Za-z])/g, "\\frac"],
  [/\\var(phi|epsilon|theta|rho|sigma|kappa)(?![A-Za-z])/g, "\\$1"],
  [/\\(l|g|n)eq?(?:slant)?(?![A-Za-z])/g, "\\$1e"],
  [/\\(?:mid|vert|lvert|rvert)(?![A-Za-z])\s?|∣/g, "|"],
  [/\\(?:dots|ldots|cdots|dotsc|dotsb)(?![A-Za-z])|…|\.{3}/g, "\\dots"],
  [/\\lbrace(?![A-Za-z])/g, "\\{"],
  [/\\rbrace(?![A-Za-z])/g, "\\}"],
];

function essential(text: string): string {
  const spelled = SPELLINGS.reduce((result, [sign, one]) => result.replace(sign, one), text.slice(0, 4_000));
  const bare = spelled
    .replace(
      /\\(?:text(?!color)[a-z]*|emph|math(?:rm|bf|it|sf|tt|normal)|mbox|hbox|boxed|operatorname)\s?\{([^{}]*)\}/g,
      " $1 ",
    )
    .replace(/\\[,;:!> ]|\\(?:quad|qquad|left|right|displaystyle)(?![A-Za-z])|~/g, " ")
    .replace(/(?<!\\)\$|\\[()[\]]/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  const quoted = /^(?:\*\*|["“”`'])(.*?)(?:\*\*|["“”`'])$/.exec(bare)?.[1] ?? bare;
  const ended = withoutEnd(quoted, ".。 ")
    .trim()
    .replace(/(?<=\p{L}) (?=!+$)/u, "");
  // 100! is a number, "Yes!" a word.
  const exclaimed = ended.endsWith("!") && ended.length < 200 && /^(?:[^\d\\]*\p{L}{3}|yes|no)!+$/iu.test(ended);
  const words = exclaimed ? withoutEnd(ended, "! ") : ended;
  return (
    words
      .replace(/\s*([;:=<>+\-*/()|^_{}])\s*/g, "$1")
      // "1, 234" is two numbers.
      .replace(/\s*,\s*(?!\d)|(?<!\d)\s*,\s*/g, ",")
  );
}

/** "An ellipse" is an ellipse; "A" by itself is a letter. */
const withoutArticle = (words: string) =>
  words
    .toLowerCase()
    .replace(/(?<=\d)(?:st|nd|rd|th)(?!\p{L})/gu, "")
    .replace(/^(?:it|this|the (?:answer|series|sequence|integral|function|statement|limit)) (?:is )?(?=\p{L}{3})/u, "")
    .replace(/^(?:an?|the) (?=\p{L}{3})/u, "");

const isWords = (text: string) => /^[\p{L}\p{N} ,.'’-]+$/u.test(text) && /\p{L}\p{L}/u.test(text);

/** Where the digits of other scripts begin. */
const ZEROS = [
  0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0xff10,
];

/** The text with the digits 0 to 9 for those of other scripts. */
export function withPlainDigits(text: string): string {
  if (!/[\u0660-\u0ed9\uff10-\uff19]/.test(text)) return text;
  return text.replace(/[\u0660-\u0ed9\uff10-\uff19]/g, (c) => {
    const code = c.charCodeAt(0);
    const zero = ZEROS.find((start) => code >= start && code < start + 10);
    return zero === undefined ? c : `${code - zero}`;
  });
}
