/** @file What a text takes back: "not 42", "42 is wrong", "Is it 42?" give no answer. */

/** A number, a formula or a short name, as what is denied. */
const VALUE =
  "(?:\\$[^$\\n]{1,80}\\$|\\\\\\([^\\n]{1,80}?\\\\\\)|[-+−]?[\\d\\\\][^\\s,;!?]*?(?=[.,;!?]?(?:\\s|$))|\\*\\*[^*\\n]{1,40}\\*\\*)";
const UNTIL = `(?:\\s+(?:or|nor)\\s+${VALUE})*`;

const DENIED: readonly RegExp[] = [
  // The answer is not (equal to) 42; it cannot be 42; 41, not 42; rather than 42.
  new RegExp(
    "(?:\\b(?:is|are|was|were|does|do|could|would|should|must|may|might|will|can)\\s?n[’']?t|\\bcannot|\\bcan not|\\bcan[’']t|\\bnot|\\bnever|\\bneither|\\brather than|\\binstead of)" +
      "(?:\\s+(?:be|equal(?:\\s+to)?|simply|just|the|an?|answer|value|is))*\\s+" +
      VALUE +
      UNTIL,
    "giu",
  ),
  new RegExp(
    `(?:n['’]est pas|n['’]est plus|no es|não é|non è|ist nicht|не(?: равен)?|不是|不等于|ではない)\\s*:?\\s*${VALUE}`,
    "giu",
  ),
  // 42 is not the answer; 42 would be wrong; 42 is too large.
  new RegExp(
    VALUE +
      "\\s*,?\\s*(?:(?:but|which|that|it|this)\\s+)?(?:is|was|are|were|would be|can|could|cannot|can[’']t|seems)\\s?(?:n[’']t|not|incorrect|wrong|false|impossible|too|invalid|rejected|extraneous|out)\\b[^.;!?\\n]*",
    "giu",
  ),
  new RegExp(`${VALUE}\\s*(?:是错的|不对|不是答案|ist falsch|es incorrecto|est faux|неверно)`, "giu"),
  // I do not think that the answer is 42
  new RegExp(
    "\\b(?:do\\s?n[’']t|do not|does\\s?n[’']t|does not|can\\s?not|can[’']t|never|no longer|did\\s?n[’']t)\\s+(?:think|believe|say|claim|mean|agree|expect|know)\\b[^.;!?\\n]*?(?:is|be|equals|=)\\s+" +
      VALUE,
    "giu",
  ),
];

/** A question, if something follows it. */
const QUESTION = /(?:^|[.!?\n])([^.!?\n]{1,200}\?)(?=\s*\S)/g;

const blank = (found: string) => " ".repeat(found.length);

/** The text with what it takes back left blank, so that places stay as they are. */
export function withoutDenials(text: string): string {
  if (text.length > 8_000) {
    const head = text.slice(0, -8_000);
    return head + withoutDenials(text.slice(-8_000));
  }
  let result = text;
  if (text.includes("?"))
    result = result.replace(QUESTION, (found, question: string) =>
      /answer|result|is it|\d/i.test(question) ? blank(found) : found,
    );
  if (
    /n[’']t|\b(?:not|never|neither|rather|instead|wrong|incorrect|false|impossible|too|invalid|rejected|extraneous|no|cannot|faux|incorrecto|falsch|nicht|pas)\b|[не不]|não|non |ではない/iu.test(
      text,
    )
  )
    for (const pattern of DENIED) result = result.replace(pattern, blank);
  return result;
}
