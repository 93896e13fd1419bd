/**
 * @file Which language a text is in: by script, and for languages in Latin script by n-grams and, where a text is too short for
 * those, by their commonest words and letters.
 */

import { latinLanguage, loadDetector } from "./latin.ts";
import { prose } from "./parts.ts";

/** Scripts of the languages that a script tells apart. */
const SCRIPTS: Record<string, readonly string[]> = {
  zh: ["Han"],
  ja: ["Hiragana", "Katakana", "Han"],
  ko: ["Hangul", "Han"],
  ru: ["Cyrillic"],
  el: ["Greek"],
  ar: ["Arabic"],
  he: ["Hebrew"],
  hi: ["Devanagari"],
  th: ["Thai"],
};

/** The commonest words of languages in Latin script, and letters that mark them. */
const LATIN: Record<string, { words: string; letters: string }> = {
  en: {
    words:
      "the of and to is in that it for this we are be with so as you on have which if can but not from by or will what there then at an let has was would where also need since because they their when each how all its should these",
    letters: "",
  },
  de: {
    words:
      "der die das und ist zu den wir ein eine nicht mit es von für auf dass also im sich wenn dann aus auch kann sind wird werden haben dem des als wie nach bei oder aber muss durch einen einer ich noch nun damit",
    letters: "äöüß",
  },
  fr: {
    words:
      "le la les de des et est un une que nous pour dans donc du en qui pas sur avec ce cette il on par au sont si alors ou mais comme plus peut être aux je nombre où avons",
    letters: "çœêèàùîôû",
  },
  es: {
    words:
      "el la los las de y es un una que en por para con no se del al lo como más entonces pero si su este esta son hay tenemos o ser está porque cuando donde cada qué ahora",
    letters: "ñ¿¡áíóú",
  },
  it: {
    words:
      "il lo la gli le di e è un una che per non con si del della dei in da sono al ma come più questo quindi se anche ha abbiamo ora ogni poi dove perché nel alla cui",
    letters: "èòìù",
  },
  pt: {
    words:
      "o a os as de e é um uma que em para com não se do da dos das no na por mais como então são ao mas isso este esta ou ser temos agora cada quando onde também pelo",
    letters: "ãõçáâê",
  },
  nl: {
    words:
      "de het een en van is dat we niet op te in voor met zijn dus dit er aan als om ook maar bij dan naar uit kan wordt worden hebben of deze door nog elke hoe heeft moet",
    letters: "",
  },
  sv: {
    words:
      "och att det som en på är av för med den till inte vi har ett om så kan men från de vid eller när också nu detta",
    letters: "åäö",
  },
  pl: {
    words:
      "i w na z do że nie się jest to o jak po co dla są przez od ale więc lub czy tak który tego można mamy gdy tylko oraz",
    letters: "ąćęłńśźż",
  },
  tr: {
    words: "ve bir bu için ile olarak da de ne gibi daha çok olan sonra ama var kadar her ise değil şimdi eğer biz o",
    letters: "ğşıç",
  },
  id: {
    words:
      "yang dan di ini itu dengan untuk dari pada adalah kita tidak akan dalam juga ke atau karena jadi bisa ada maka jika",
    letters: "",
  },
  vi: {
    words: "và là của có được cho các không một trong này với ta để khi nếu thì đó như vậy số từ ra",
    letters: "đơưạảấầẩậắằặẹẻếềểệỉịọỏốồổộớờởợụủứừửựỳỵỷỹ",
  },
};

/** Words of exercises that are hardly ever written in another language. */
const ASKING: Record<string, string> = {
  en: "compute evaluate find solve simplify determine calculate prove show factor expand express convert given let suppose how many what sum product value",
  de: "berechne bestimme löse vereinfache beweise zeige finde gegeben sei",
  fr: "calculer calculez déterminer trouver trouvez trouve résoudre résous simplifier simplifie soit montrer montre",
  es: "calcula calcule determina encuentra halla resuelve simplifica demuestra sea",
  it: "calcola determina trova risolvi semplifica dimostra sia",
  pt: "calcule determine encontre resolva simplifique prove seja",
  nl: "bereken bepaal vind bewijs vereenvoudig hoeveel",
  sv: "beräkna bestäm lös hitta bevisa förenkla hur många",
  pl: "oblicz wyznacz znajdź rozwiąż udowodnij uprość ile",
  tr: "hesapla hesaplayın bul bulun çöz kaç kaçtır",
  id: "hitung hitunglah tentukan carilah sederhanakan berapa berapakah",
  vi: "tính tìm giải chứng minh rút gọn bao nhiêu",
};

export const LANGUAGES = [...Object.keys(LATIN), ...Object.keys(SCRIPTS)];

/** Load what `detectLanguage` and `countWords` use; undefined where it is there. */
export const loadLanguages = () => loadDetector(Object.keys(LATIN));

const VOTES = new Map<string, string[]>();
const LETTERS = new Map<string, string[]>();
for (const [language, { words, letters }] of Object.entries(LATIN)) {
  for (const word of `${words} ${ASKING[language] ?? ""}`.trim().split(" "))
    VOTES.set(word, [...(VOTES.get(word) ?? []), language]);
  for (const letter of letters) LETTERS.set(letter, [...(LETTERS.get(letter) ?? []), language]);
}

const ALONE = /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}/u;
const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])[\p{L}\p{M}])+(?:['’](?=\p{L})[\p{L}\p{M}]+)*/gu;
const SCRIPT_NAMES = ["Latin", ...new Set(Object.values(SCRIPTS).flat())];
const SCRIPT_TESTS = SCRIPT_NAMES.map((name) => [name, new RegExp(`\\p{Script=${name}}`, "u")] as const);

type Word = { text: string; script: string };

const SYLLABLE = /\p{Script=Hangul}/u;

/** Words that say something of a language; single letters of alphabets are symbols of mathematics. */
function wordsOf(text: string): Word[] {
  return (text.toLowerCase().match(WORD) ?? [])
    .filter((word) => ALONE.test(word) || SYLLABLE.test(word) || [...word].length > 1)
    .map((text) => ({ text, script: SCRIPT_TESTS.find(([, test]) => test.test(text))?.[0] ?? "other" }));
}

/** For each language in Latin script how much in these words speaks for it. */
function votes(words: readonly Word[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { text } of words) {
    const marks = [...text].flatMap((letter) => LETTERS.get(letter) ?? []);
    const languages = VOTES.get(text) ?? [...new Set(marks)];
    for (const language of languages) sums.set(language, (sums.get(language) ?? 0) + 1 / languages.length);
  }
  return sums;
}

const joined = (words: readonly Word[]) => words.map(({ text }) => text).join(" ");

/** Whether a sentence in Latin script is in another language than this one. One word's vote is no evidence. */
function isForeign(words: readonly Word[], language: string): boolean {
  const sums = votes(words);
  const own = sums.get(language) ?? 0;
  const other = words.length > 2 ? latinLanguage(joined(words)) : undefined;
  if (other === language) return false;
  if (other !== undefined && (sums.get(other) ?? 0) >= own) return true;
  return Math.max(0, ...[...sums].filter(([name]) => name !== language).map(([, sum]) => sum)) > Math.max(1, own);
}

/** The language that most of a text is in; undefined where nothing tells. */
export function detectLanguage(text: string): string | undefined {
  const words = wordsOf(prose(text));
  const count = (scripts: readonly string[]) => words.filter(({ script }) => scripts.includes(script)).length;
  const scripts = SCRIPT_NAMES.map((name) => [name, count([name])] as const).sort((a, b) => b[1] - a[1]);
  const [script, most] = scripts[0]!;
  if (most === 0) return undefined;
  if (script === "Latin") {
    const latin = words.filter(({ script }) => script === "Latin");
    // letters alone tell little: í is written from Vietnamese to Czech
    const known = latin.filter(({ text }) => VOTES.has(text)).length;
    const told = known > 0 || latin.filter(({ text }) => [...text].some((letter) => LETTERS.has(letter))).length > 1;
    return latinLanguage(joined(latin)) ?? (told ? [...votes(latin)].sort((a, b) => b[1] - a[1])[0]?.[0] : undefined);
  }
  if (script === "Han") return count(["Hiragana", "Katakana"]) > 0.1 * most ? "ja" : "zh";
  return Object.keys(SCRIPTS).find((language) => SCRIPTS[language]!.includes(script));
}

/** A Han word in Japanese, such as an answer, may stand without kana; a longer run of signs is a Chinese sentence. */
const LONGEST_HAN_WORD = 6;
/** Signs that Chinese writes all the time, and Japanese does not. */
const CHINESE = /[们这那么吗呢吧们个说对时间还没过为来给让从两边应该够]|我们|所以|因为|就是|可以|等于|得到|一个/;

/** Whether a sentence's Han signs are those of the language: Japanese mixes them with kana, Chinese does not, and Korean hardly writes any. */
function ownHan(words: readonly Word[], sentence: string, language: string): boolean {
  if (language === "ko") return false;
  const kana = words.filter(({ script }) => script === "Hiragana" || script === "Katakana").length;
  const han = words.filter(({ script }) => script === "Han").length;
  const japanese = kana > 0.1 * han;
  if (language === "zh") return !japanese;
  return kana > 0 ? japanese : han <= LONGEST_HAN_WORD && !CHINESE.test(sentence);
}

/**
 * How many of the words of a text are in a language. A word belongs by its script; in Latin script a whole sentence goes
 * to another language where more in it speaks for that one than for the language itself. Han signs are Chinese but where a
 * sentence is Japanese.
 */
export function countWords(text: string, language: string): { target: number; total: number } {
  const counts = { target: 0, total: 0 };
  for (const sentence of prose(text).split(/[.!?。！？;:：；，\n]+/)) {
    const words = wordsOf(sentence);
    const scripts = (SCRIPTS[language] ?? ["Latin"]).filter(
      (script) => script !== "Han" || ownHan(words, sentence, language),
    );
    const own = words.filter(({ script }) => scripts.includes(script));
    counts.total += words.length;
    if (language in LATIN && isForeign(own, language)) continue;
    counts.target += own.length;
  }
  return counts;
}
