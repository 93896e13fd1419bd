/** @file What a text takes back: "not 42", "42 is wrong", "Is it 42?" give no answer. */

const raw = String.raw;

/** A number or a formula, as what is denied. */
const VALUE = raw`(?:\$[^$\n]{1,80}\$|\\\([^\n]{1,80}?\\\)|\*\*[^*\n]{1,40}\*\*|[-+−]?[\d\\][^\s,;!?，。；！？]{0,80}?(?=[.,;!?)]?(?:\s|$)|[，。；！？)]))`;
const NOT = raw`(?:\b(?:is|are|was|were|does|do|could|would|should|must|may|might|will|can)\s?n[’']?t|\bcannot|\bcan not|\bcan[’']t|\bnot|\bhardly|\bscarcely|\bnever|\bneither|\bno longer|\banything but|\brather than|\binstead of|\breject(?:s|ed)?|\bdiscard(?:s|ed)?)`;
const FILLING = raw`(?:\s+(?:be|equal(?:\s+to)?|simply|just|really|exactly|actually|quite|even|necessarily|truly|the|an?|answer|value|is))*`;
const ANSWER = raw`(?:\b(?:answer|result|solution|value)\b[^.,;!?\n\d]{0,20}?\s|\b(?:it|this|that)(?:[’']s|\sis)\s)`;
/** Doubt or denial earlier in the same clause; "it is not hard to see" is neither. */
export const UNDECIDED = raw`(?:\b(?:whether|if|suppose|supposing|assume|assuming|(?<!\bno\s)doubt|doubtful|nothing|nobody|unlikely|unsure|uncertain|unclear|impossible|false|untrue|hardly|never|cannot|refuse|refuses|decline|deny|denies|hesitate|refute|disprove|contradicts?|no(?!\s(?:doubt|matter|problem|surprise|wonder))|not(?!\s(?:hard|difficult|only|surprising|too\s(?:hard|difficult))))\b|n[’']t\b)(?:(?!\b(?:so|then|therefore|thus|hence|and|but|because|since|when)\b)[^.,;:!?\n]){0,60}?`;
const COMPARED = raw`(?:(?:more|less|greater|larger|smaller|fewer|higher|lower) than(?: or equal to)?|at (?:least|most)|up to|over|under|above|below|nearly|almost)`;

/** Who may be wrong, and what is only thought at first. */
const OTHERS = raw`(?:\b(?:one|you|some|many|most|people|students?|somebody|someone)(?:\s(?:people|students|readers|of\s\w+))?(?:\s(?:might|may|could|would|will|can|often|mistakenly|naively|initially|easily|first|be\stempted\sto))*\s(?:think|thinks|say|says|claim|claims|guess|guesses|assume|assumes|believe|believes|argue|argues|answer|answers|conclude|concludes)\b|\bit(?:[’']s|\s(?:is|would\sbe|might\sbe|may\sbe))\s(?:wrong|incorrect|a\smistake|an\serror|tempting|false)\sto\b|\bI\s(?:first|initially|originally|mistakenly|at\sfirst)\s(?:thought|guessed|believed|assumed|said|got|had)\b|\b(?:the|an?)\s(?:\w+\s)?(?:wrong|incorrect|naive|tempting|common\s(?:mistake|error))(?:\s(?:answer|result|solution|value|guess))?\s(?:is|was|would\sbe)\b)`;
const WRONG = raw`(?:wrong|incorrect|false|impossible|invalid|a\smistake|an\serror|not\s(?:right|correct|true|possible|valid|it|the\s(?:\w+\s)?answer))`;
const CONDITION = raw`\b(?:if|when|for\s(?:even|odd|other|[a-z]\b))`;
const TURN = raw`(?:(?:but|though|although|yet|however|and|no|wait|hmm|oops|sorry|actually)\b[,.!…]*\s+){0,3}`;

const DENIED: readonly RegExp[] = [
  // The answer is not (equal to) 42 or 43; it cannot be 42; 41, not 42; rather than 42.
  raw`${NOT}${FILLING}\s+${VALUE}(?:\s{0,3},\s{0,3}${VALUE})*(?:\s{0,3},?\s{1,3}(?:or|nor)\s+${VALUE})*`,
  raw`(?:n['’]est pas|n['’]est plus|no es|não é|non è|ist nicht|\bnicht|\bpas|не(?: равен)?|并不是|不是|不等于|ではない)\s*:?\s*${VALUE}`,
  // 42 is not the answer; 42 would be wrong; 42 is too large.
  raw`${VALUE}\s{0,3},?\s{0,3}(?:(?:but|which|that|it|this)\s+)?(?:is|was|are|were|would be|can|could|cannot|can[’']t|seems)\s?(?:n[’']t|not|incorrect|wrong|false|impossible|too|invalid|rejected|extraneous|out)\b[^.,;!?\n]*`,
  raw`${VALUE}\s{0,3},?\s{0,3}(?:can\s?not|can[’']t|could\s?n[’']t|could\snot|can\shardly)\s(?:possibly\s)?be\b[^.,;!?\n]*`,
  // 42, but this is wrong. 42. Wait, that's not right.
  raw`${VALUE}\s{0,3}[.,;!]?\s{1,3}${TURN}(?:this|that|it|which)(?:[’']s|\s(?:is|was|would\sbe|seems|looks|must\sbe))\s(?:clearly\s|obviously\s|actually\s)?${WRONG}`,
  // One might think that the answer is 42; it would be wrong to say 42; at first I had 42.
  raw`${OTHERS}[^.;!?\n]{0,80}?${VALUE}`,
  // Whether the answer is 42; suppose that it is 42; it may be 42.
  raw`${UNDECIDED}\b(?:answer|result|solution|value|it)\b[^.;!?\n]{0,20}?\b(?:is|was|were|be|equals)\s+${VALUE}`,
  raw`\b(?:may|might|could)\s(?:(?:well|also|possibly)\s)?be\s+${VALUE}(?:\s{0,3},\s{0,3}${VALUE})*(?:\s{0,3},?\s{1,3}(?:or|and)\s+${VALUE})*`,
  // 42 (wrong); 42 ✗
  raw`${VALUE}\s{0,3}(?:[-–—(,]\s{0,3})?(?:\b(?:wrong|incorrect|not\scorrect|false)(?=\s*(?:[).,;!?\n]|$))|[✗✘❌])`,
  // It would be 42 if the die were fair; the answer exceeds 42.
  raw`\bwould\s(?:have\s)?be(?:en)?\s+${VALUE}\s{0,3},?\s{1,3}(?:if|only|had|were)\b[^.,;!?\n]*`,
  raw`(?:\b(?:answer|result|solution|value|it)\s+)(?:exceeds|surpasses|divides|is\sdivisible\sby|is\scoprime\s(?:to|with)|is\sbounded\s(?:above\s|below\s)?by|approaches|tends\sto)\s+${VALUE}`,
  // 42 does not work; 42 fails; 42 is no good.
  raw`${VALUE}\s+(?:fails|(?:do|does|did|will|would|can)\s?(?:n[’']t|not)\s(?:work|satisfy|fit|hold|solve|suffice|count|qualify)|is\s(?:off|bad|no\s|out\sof|invalid|inadmissible|unacceptable|excluded|ruled\sout|rejected))\b[^.,;!?\n]*`,
  // Far from 42; between 41 and 43.
  raw`\b(?:far|different|distinct|apart|away)\s(?:\w+\s)?from\s+${VALUE}|\bother\sthan\s+${VALUE}`,
  raw`\bbetween\s+${VALUE}\s+(?:and|&)\s+${VALUE}`,
  // At least 42; no solution gives 42.
  raw`(?<=(?:^|[.!?\n])\s{0,3})${COMPARED}\s+${VALUE}`,
  raw`\b(?:(?:more|less|greater|larger|smaller|fewer|higher|lower)\sthan|at\smost)\s+${VALUE}`,
  raw`(?<=(?:^|[.!?\n])\s{0,3})(?:no|none|nothing|nobody|neither)\s(?:(?!\b(?:so|then|therefore|thus|hence|and|but|because|since|doubt|matter)\b)[^.,;:!?\n]){0,40}?${VALUE}`,
  // 42? 42 is an upper bound.
  raw`${VALUE}\s?[?？]`,
  raw`${VALUE}\s+is\s(?:only\s|just\s|merely\s)?(?:an?|the)\s(?:upper|lower|rough|wrong|incorrect|first|initial|crude)\s[^.,;!?\n]*`,
  // 3 out of 100
  raw`\bout\sof(?<=\d[^.!?\n]{0,60}out\sof)\s(?:the\s|a\stotal\sof\s)?${VALUE}`,
  // 42 only if n is even; 42 if n is even, otherwise 43.
  raw`${VALUE}\s{0,3},?\s{1,3}(?:only\s(?:if|when)|unless)\b[^.!?\n]*`,
  raw`${VALUE}[ \t]{0,3},?[ \t]{1,3}(?:${CONDITION})[^.!?\n]{1,100}?\b(?:otherwise|else|${VALUE}[ \t]+(?:${CONDITION}))[^.!?\n]*`,
  raw`${VALUE}\s*(?:是错的|不对|不是答案|ist falsch|es incorrecto|est faux|неверно)`,
  // I do not think that the answer is 42.
  raw`\b(?:do\s?n[’']t|do not|does\s?n[’']t|does not|can\s?not|can[’']t|never|did\s?n[’']t)\s+(?:think|believe|say|claim|mean|agree|expect|know)\b[^.,;!?\n]{0,80}?(?:is|be|equals|=)\s+${VALUE}`,
  // The answer is more than 42.
  raw`(?<=${ANSWER})${COMPARED}\s+${VALUE}`,
].map((pattern) => new RegExp(pattern, "giu"));

/** One of these stands in whatever is denied. */
const SIGNAL =
  /n[’']t|[✗✘❌?？]|\b(?:not|never|neither|if|when|unless|otherwise|mistake|error|think|thinks|say|says|claims?|guess|assume|believe|tempting|first|initially|originally|naive|whether|suppose|supposing|assume|assuming|doubt|unlikely|unsure|uncertain|unclear|may|might|could|would|exceeds|surpasses|divides|divisible|coprime|upper|lower|rough|crude|bounded|approaches|tends|untrue|nothing|nobody|doubtful|hardly|scarcely|refuse|refuses|decline|deny|denies|hesitate|refute|disprove|contradict|contradicts|fails|far|different|distinct|apart|away|other|between|off|bad|out|excluded|ruled|rather|instead|wrong|incorrect|false|impossible|too|invalid|reject|rejects|rejected|discards?|discarded|extraneous|no|anything|cannot|faux|incorrecto|falsch|nicht|pas|than|least|most|up|over|under|above|below|nearly|almost)\b|[не不]|não|non |ではない/iu;

/** A question, if something follows it or it begins as one. */
const QUESTION =
  /(?:^|[.!?\n])([^.!?\n]{1,200}\?)(?=\s*\S)|(?:^|[.!?\n])(\s*(?:is|are|was|were|could|can|would|should|does|do|what if)\b[^.!?\n]{1,200}\?)/gi;

/** Doubt about what is joined: "42 or maybe 43" is "42 or 43". */
const DOUBT = /(?<=\b(?:or|and)) (?:maybe|possibly|perhaps|probably|even)(?= )/gi;

/** No denial is read further from the end. */
const REACH = 2_000;

/** What only says where a value is reached, or checks it. */
const REMARKS: readonly RegExp[] = [
  /,(?<=\d[\d.,]{0,20}\$?\s?,)\s{0,3}(?:(?:which|and)\s(?:is|occurs|happens)\s)?(?:attained|achieved|reached|occurring|obtained|realized)\b[^.\n]*/gi,
  /(?<=[.\n]\s{0,3})(?:This (?:satisfies|checks|works|is because|matches|agrees)|Check\b|Verification\b|Indeed\b|To (?:check|verify)\b|We (?:can )?(?:check|verify)\b)[^\n]*/g,
];

/** "64 dollars in 8 days": how long, for whom and how often is not the answer. */
const CIRCUMSTANCE =
  /(?<=\d[^\n=]{0,200})\s(?:in|after|for|over|from|during|every|per)\s(?:the\s|all\s|a\s)?\$?\d[\d,.]{0,12}\s?[a-z%-]{0,20}(?:\s[a-z]{1,20}){0,3}[.!]?\s{0,3}$/i;

/** The text without remarks on an answer that it has given before. */
export const withoutRemarks = (text: string): string =>
  REMARKS.reduce(
    (result, pattern) =>
      result.replace(pattern, (found, at: number) => (/\d/.test(result.slice(0, at)) ? blank(found) : found)),
    text.replace(CIRCUMSTANCE, blank),
  );

/** The text without doubt between what is joined. */
export const withoutDoubt = (text: string): string => text.replace(DOUBT, blank);

const blank = (found: string) => " ".repeat(found.length);

/** The text with what it takes back left blank, so that places stay as they are. */
export function withoutDenials(text: string): string {
  if (text.length > REACH) return text.slice(0, -REACH) + withoutDenials(text.slice(-REACH));
  let result = text.replace(DOUBT, blank);
  if (text.includes("?"))
    result = result.replace(QUESTION, (found) => (/answer|result|is it|\d/i.test(found) ? blank(found) : found));
  if (SIGNAL.test(text)) for (const pattern of DENIED) result = result.replace(pattern, blank);
  return result;
}

const BEFORE_DENIED =
  /(?:\bnot|n[’']t(?: be)?|\bcannot be|\bnever|\bneither|\brather than|\binstead of)(?:\s+(?:equal to|simply|just))?[\s$*]*(?:\\[([])?\s*$/i;
const AFTER_DENIED =
  /^[\s$*]*(?:\\[)\]])?[\s$*]*[.,;]?\s*(?:(?:but|though|which|and|wait|no|hmm)[,.!]?\s+){0,3}(?:this|that|it|which)?(?:[’']s|\s?(?:is|was|would be|seems))\s?(?:wrong|incorrect|false|impossible|a mistake|(?:not|n[’']t)\s(?:right|correct|true|possible|valid|it\b|the\s(?:\w+\s)?answer))|^[\s$*]*(?:\\[)\]])?[\s$*]*\s(?:cannot|can[’']t|could ?n[’']t|could not) be\b/i;

/** Whether a text denies what stands between two of its places. */
export const isDenied = (text: string, { start, end }: { start: number; end: number }): boolean =>
  BEFORE_DENIED.test(text.slice(Math.max(0, start - 40), start)) || AFTER_DENIED.test(text.slice(end, end + 80));
