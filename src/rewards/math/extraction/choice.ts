/** @file Letters of multiple choice: which an answer is, and which a completion chooses. */

import { givenBox } from "./boxes.ts";
import { withoutDoubt } from "./denials.ts";
import { withoutRejected } from "./rejected-letters.ts";
import { plainWords } from "./text.ts";

const JOINT = "(?:\\s*[,;、/&]\\s*(?:and\\s|or\\s)?\\s*|\\s+(?:and|or|et|ou|und|oder|y|o)\\s+|\\s*[和与及或]\\s*|\\s+)";
const MARK = "\\(?\\[?(?:[A-J])\\]?[).]?:?";
const ONLY_LETTERS = new RegExp(`^(?:${MARK}(?:${JOINT}${MARK})*|\\([A-J]\\)(?:\\([A-J]\\))+)$`);
/** One small letter: d, (d), d). */
const SMALL_LETTER = /^\(?([a-j])\)?\.?$/;
const ALTERNATIVES = /\b(?:or|ou|oder)\b|\/|或/;

/** Letters in alphabetical order; what leaves a choice open is the choice of nothing, which no reference is. */
const OPEN = "?";

/** The letters, where a text is nothing but letters: C, (C), A and D, ABD. */
export function lettersOnly(text: string): string | undefined {
  if (text.length > 80) return undefined;
  const words = plainWords(text.replace(/\\[{}]/g, " ")).replace(
    /^(?:options?|choices?|answers?)\s*:?\s+(?=\(?[A-J])/i,
    "",
  );
  if (/^[A-J]{2,6}$/.test(words)) return isAscending(words) ? words : undefined;
  if (!ONLY_LETTERS.test(words)) return undefined;
  const found = [...new Set(words.match(/[A-J]/g))].sort().join("");
  return found.length > 1 && ALTERNATIVES.test(words) ? OPEN : found;
}

const isAscending = (run: string) => [...run].every((letter, i) => i === 0 || letter > run[i - 1]!);

/** The letters that an answer is, where some are asked for: a small one is one of them. */
export function chosenIn(text: string): string | undefined {
  return choiceIn(text) ?? SMALL_LETTER.exec(plainWords(text.slice(0, 80)))?.[1]?.toUpperCase();
}

/** The letter of the option that a text spells out, "(C) Cecile" or "C. 42", or the letters that it is. */
export function choiceIn(given: string): string | undefined {
  const alone = lettersOnly(given);
  if (alone) return alone;
  const text = withoutRejected(given.slice(0, 400));
  const words = plainWords(text.slice(0, 400)).replace(
    /^(?:the )?(?:option|choice|answer)(?: is\b)?:? (?=[([]?[A-J]\b)/i,
    "",
  );
  // "A" and "I" are words as well; a letter before an operator is a symbol.
  if (/^[AI] (?!and\b|or\b|because\b|since\b)[a-z]|^[A-J]\s*[-=<>+*^_\\|!']/.test(words)) return undefined;
  const option =
    /^(?:(?:the )?(?:option|choice|answer)(?: is)?:? )?(?:[([] ?([A-J]) ?[)\]]|([A-J])(?=[).:,;/\s]|[^\x00-\x7f]|$))/i.exec(
      words,
    );
  const letter = option?.[1] ?? option?.[2];
  if (!option || !letter || letter !== letter.toUpperCase()) return undefined;
  const rest = words.slice(option[0].length).replace(/^[).:]+/, "");
  const another =
    /^(?:\s*[,;/&]\s*|\s+(?:and|or)\s+|\s+)(?:(?:and|or) )?(?:[a-z]+ ){0,2}(?:\([B-J]\)|[B-J](?![A-Za-z0-9'’]))|(?:^|\s)\(?[A-J]\)/;
  return another.test(rest) ? OPEN : letter;
}

/** An answer without the mark of its option: 42 of "(C) 42" and "C. 42". */
export function withoutMark(text: string): string | undefined {
  return /^\s*(?:(?:[Tt]he )?(?:final |correct |right )?(?:[Aa]nswer|[Oo]ption|[Cc]hoice)(?: is)?:?\s+)?(?:\\(?:text|textbf|mathrm)\{)?\s*(?:\([A-J]\)|[A-J][.)])\}?\s+(\S[\s\S]*)$/.exec(
    text,
  )?.[1];
}

const STRONG =
  /\banswers?\b|\b(?:wait|actually|correction|oops|sorry)\b[^.\n]{0,30}?\b(?:it|this|that)(?:[’']s|\s(?:is|should be|must be))(?=\s*\(?[A-J]\b)|答案|答え|정답|故选|应选|正解|答[：:]|réponse|respuesta|resposta|risposta|antwort|ответ|odpowied[zź]|cevap|الإجابة|उत्तर/giu;
const WEAK = /\b(?:choice|option|choose|select|pick)\b|选择|选项|选|選択肢/giu;
const MENTION =
  /(?:^|[^A-Za-z0-9'’])(?:([B-HJ]|[A-J]{2,6})(?![A-Za-z0-9'’])|([AI])(?![A-Za-z0-9'’]|\s(?!and\b|or\b|because\b|since\b|as\b|is\b)[a-z]{2,}))/;
const AFFIRMED =
  /(?<![A-Za-z])((?:\(?[A-J]\)?(?:\s*,\s*|\s+and\s+))*\(?[A-J]\)?)(?:\s+(?:is|are|must be|seems)\s+(?:[a-z]+ )?(?:the )?(?:correct|right|true|best|answer)\b|\s*(?:が|は)?(?:正解|正しい|正确|正確))/g;
const SMALL = /^\s*(?:\bis\b|:|=)?\s*(?:is|:)?\s*\(?([a-h])(?:\)\s|\)?\s*(?:[.,;]|\n|$))/;
const ALONE =
  /\b[Oo]nly\s+(?:option\s+|choice\s+)?\(?([A-J])\)?\s+(?:is|satisfies|works|fits|holds|matches|remains|can)\b/g;

/** The letters that a completion chooses: after "answer", in its box, at its start, at its end. */
export function findChoice(completion: string): string | undefined {
  const text = withoutRejected(withoutDoubt(completion.slice(-6_000)));
  const box = givenBox(text);
  const boxed = box && chosenIn(box.content);
  if (box) return anchored(text.slice(box.end), STRONG) ?? boxed ?? anchored(text, STRONG);
  const trimmed = text.trim();
  return (
    anchored(text, STRONG) ??
    affirmed(text) ??
    concluded(text) ??
    anchored(text, WEAK) ??
    choiceIn(trimmed) ??
    smallOption(trimmed) ??
    lettersOnly(
      /(?:^|[\s(*])((?:\(?[A-J]\)?(?:\s*,\s*|\s*\/\s*|\s+(?:and|or)\s+))*\(?[A-J]\)?)[)*.]*\s*$/.exec(
        trimmed.slice(-60),
      )?.[1] ?? "",
    )
  );
}

/** "(d)" and "b. 4" as the whole of a text. */
function smallOption(text: string): string | undefined {
  const letter = text.length > 80 || text.includes("\n") ? undefined : /^\(?([a-h])(?:\)|\.(?=\s|$)|$)/.exec(text)?.[1];
  return letter?.toUpperCase();
}

/** "(B) is correct" */
function affirmed(text: string): string | undefined {
  const found = [...text.matchAll(AFFIRMED), ...text.matchAll(ALONE)].at(-1);
  return found && lettersOnly(found[1]!);
}

const AFFIRMED_BEFORE =
  /(?:^|[^A-Za-z])\(?([A-J])\)?\s+(?:is|must be|seems to be)\s+(?:the |my |our )?(?:(?!not\b|wrong\b|incorrect\b)[a-z]+\s){0,2}$/;

/** "Hence (E) 36." */
function concluded(text: string): string | undefined {
  const found = [...text.matchAll(CONCLUDED)].at(-1);
  return found && (found[1] ?? found[2]);
}

const CONCLUDED =
  /\b(?:[Hh]ence|[Tt]hus|[Tt]herefore|[Ss]o),?\s+(?:it(?:[’']s| is) )?(?:option |choice )?(?:\(([A-J])\)|([A-J])(?=[.)]?\s*$|[.)]\s))/g;

/** The letters right after the last anchor that has some in its clause. */
function anchored(text: string, anchor: RegExp): string | undefined {
  for (const found of [...text.matchAll(anchor)].slice(-4).reverse()) {
    const start = found.index + found[0].length;
    // "F is the best answer"
    const before = AFFIRMED_BEFORE.exec(text.slice(Math.max(0, found.index - 50), found.index));
    if (before) return before[1];
    const after = text
      .slice(start, start + 60)
      .replace(/[*_$]|\\text\{|\\[()]/g, " ")
      .replace(/[,\s](?:since|because|although|though|while|whereas|unlike)\b[\s\S]*/, ",");
    const mention = MENTION.exec(after);
    if (mention) {
      const letters = mention[1] ?? mention[2]!;
      const rest = after
        .slice(mention.index + mention[0].length)
        .replace(/^[)\]}.]*/, (marks) => (marks.includes(".") ? "." : ""))
        // After a full stop only "or B" goes on.
        .replace(/^\.(?!\s*(?:and|or)\b)[\s\S]*|^\./, "");
      const others = new RegExp(`^(?:${JOINT}\\(?[A-J]\\)?(?![A-Za-z0-9'’]|\\s+(?:is|was)\\b))+`).exec(rest)?.[0] ?? "";
      return lettersOnly(letters.length > 1 && isAscending(letters) && !others ? letters : `${letters}${others}`);
    }
    const small = SMALL.exec(after)?.[1];
    if (small) return small.toUpperCase();
  }
  return undefined;
}
