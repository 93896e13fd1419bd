/** @file Letters that a text says are not its choice. */

import { UNDECIDED } from "./denials.ts";

const raw = String.raw;

const LETTER = raw`\(?[A-J]\)?(?![A-Za-z'’])`;

/** What is said not to be the choice: "not B", "can't be A or B", "A and D are wrong". */
const REJECTED = [
  /(?:\b[Nn](?:ot|either|or)|n['’]t(?: be)?|\b[Cc]annot be|\b[Rr]ather than|\b[Ii]nstead of|\b[Rr]ules? out|\b[Ee]liminat(?:e|es|ing)|\b[Ee]xclud(?:e|es|ing)|n['’]est pas|no es|nicht|не|不是|不选|排除)\s*(?:the |la |die )?(?:answer |option |choice )?\(?[A-J]\)?(?![A-Za-z'’])(?:(?:\s*,\s*|\s*,?\s+(?:or|and|nor)\s+)\(?[A-J]\)?(?![A-Za-z'’]))*/g,
  /(?<![A-Za-z])\(?[A-J]\)?(?:(?:\s*,\s*|\s*,?\s+(?:or|and|nor)\s+)\(?[A-J]\)?(?![A-Za-z'’]))*,?\s*(?:but (?:it|that|this) )?(?:is|are|was|were|seems|looks)\s(?:[a-z]+ )?(?:[a-z]+ )?(?:incorrect|wrong|false|not|excluded|impossible|distractors?|tempting|eliminated)\b/g,
  new RegExp(raw`${UNDECIDED}\b(?:answer|choice|option|it)\b[^.,;!?\n]{0,20}?\b(?:is|was|be)\s+${LETTER}`, "gi"),
  new RegExp(
    raw`\b(?:[Mm]ay|[Mm]ight|[Cc]ould)\s(?:(?:well|also|possibly)\s)?be\s+${LETTER}(?:\s*,?\s+(?:or|and)\s+${LETTER})*`,
    "g",
  ),
  new RegExp(
    raw`(?<![A-Za-z])${LETTER}\s+(?:fails|(?:does|did)\s?(?:n[’']t|not)\s(?:work|fit|hold|follow|satisfy)|(?:cannot|can[’']t|could\s?n[’']t)\sbe\b)`,
    "g",
  ),
  new RegExp(
    raw`\b(?:[Oo]ne|[Ss]ome|[Mm]any|[Mm]ost|[Pp]eople|[Ss]tudents)(?:\s\w+){0,2}\s(?:think|say|says|choose|chooses|pick|picks|guess|answer|select)\s(?:that\s)?(?:it\sis\s|the\sanswer\sis\s)?${LETTER}`,
    "g",
  ),
];

/** The text with the letters that it rejects left blank, so that places stay as they are. */
export const withoutRejected = (text: string): string =>
  REJECTED.reduce((rest, pattern) => rest.replace(pattern, (found) => " ".repeat(found.length)), text);
