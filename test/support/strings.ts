/** @file Texts that tokenizers disagree about: scripts, code, emoji, blanks, digits, what Unicode composes, special tokens. */

import { type Random, seededRandom } from "../../src/core/random.ts";
import { pick } from "./hostile/target.ts";

/** Letters, by the first and the last code point of a block. */
const SCRIPTS: readonly (readonly [first: number, last: number])[] = [
  [0x61, 0x7a],
  [0x41, 0x5a],
  [0xc0, 0x17f],
  [0x391, 0x3c9],
  [0x410, 0x44f],
  [0x531, 0x556],
  [0x5d0, 0x5ea],
  [0x620, 0x64a],
  [0x905, 0x939],
  [0x985, 0x9a8],
  [0xb85, 0xbb9],
  [0xe01, 0xe30],
  [0x10d0, 0x10f0],
  [0x1200, 0x1248],
  [0x1780, 0x17b3],
  [0x3041, 0x3096],
  [0x30a1, 0x30fa],
  [0x4e00, 0x9fa5],
  [0xac00, 0xd7a3],
  [0x1e00, 0x1eff],
  [0x10330, 0x10340],
  [0x1d400, 0x1d430],
  [0x20000, 0x20100],
];
const MARKS = [
  "\u0300",
  "\u0301",
  "\u0308",
  "\u0323",
  "\u0327",
  "\u05b4",
  "\u064b",
  "\u093e",
  "\u094d",
  "\u0e31",
  "\u3099",
  "\u20dd",
];
const BLANKS = [
  " ",
  "  ",
  "   ",
  "\t",
  "\n",
  "\n\n",
  "\r\n",
  "\r",
  "\u00a0",
  "\u2003",
  "\u2028",
  "\u3000",
  "\u200b",
  "\ufeff",
  "\u0085",
  "\v",
  "\f",
  "\u1680",
];
const EMOJI = ["🙂", "👍🏽", "👩‍👩‍👧‍👦", "🇺🇦", "❤️", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🧑🏿‍🚀", "☃", "1️⃣", "🫠", "©", "™️"];
const SIGNS = [
  ...".,;:!?'\"()[]{}<>/\\|@#$%^&*-_=+~`",
  "…",
  "—",
  "«",
  "»",
  "¿",
  "，",
  "。",
  "、",
  "؟",
  "।",
  "€",
  "∑",
  "≤",
  "√",
  "²",
  "½",
  "Ⅻ",
  "٣",
  "५",
  "๓",
];
const CONTRACTIONS = [
  "I'm",
  "it's",
  "We'LL",
  "they've",
  "don't",
  "HE'D",
  "you're",
  "o'clock",
  "'S",
  "’s",
  "l’été",
  "I'ſ",
  "'re's",
];
const CODE = [
  "def f(x: int) -> int:\n    return x ** 2  # square\n",
  "for (let i = 0; i < n; ++i) {\n\tsum += a[i];\n}",
  "SELECT * FROM t WHERE a >= 10 AND b != 'x';",
  '{"key": [1, 2.50, -3e10, null], "other": {"a": "\\u00e9"}}',
  "#include <stdio.h>\nint main(void) { return 0; }\r\n",
  "\\frac{a}{b} = \\sqrt{x^2 + y^2} \\quad \\text{where } a \\neq 0",
  '<div class="a b">\n  <p>&nbsp;</p>\n</div>',
  "const f = async <T,>(x: T) => await Promise.all([x]);",
  '    if not ok:\n        raise ValueError(f"{x!r}")\n\n\n',
  "git commit -am 'fix: 100%'; ls -la ~/a_b-c.txt | grep -v '^$'",
  "0x1F 0b1010 1_000_000 3.14159 1e-5 12345678901234567890",
];
const SPECIAL = [
  "<|im_start|>",
  "<|im_end|>",
  "<|endoftext|>",
  "<|eot_id|>",
  "<|begin_of_text|>",
  "<bos>",
  "<eos>",
  "<start_of_turn>",
  "<end_of_turn>",
  "<think>",
  "</think>",
  "<unk>",
  "<0x0A>",
  "[INST]",
  "▁",
  "Ġ",
];
const PROSE = [
  "The quick brown fox jumps over the lazy dog.",
  "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.",
  "Zażółć gęślą jaźń, Größe über Maß, cœur naïf à Noël.",
  "Съешь же ещё этих мягких французских булок.",
  "敏捷的棕色狐狸跳过懒狗。东京は日本の首都です。",
  "다람쥐 헌 쳇바퀴에 타고파.",
  "نص حكيم له سر قاطع وذو شأن عظيم",
  "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण",
  "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
];

/** `count` texts, the same ones everywhere. */
export function strangeStrings(count: number): string[] {
  const random = seededRandom(2026);
  const whole = [
    ...PROSE,
    ...CODE,
    ...CONTRACTIONS,
    ...EMOJI,
    ...SPECIAL,
    ...BLANKS,
    "a",
    " a",
    "a ",
    "\u0000",
    "\u001b[0m",
    "\ufffd",
  ];
  return Array.from({ length: count }, (_, i) => whole[i] ?? mixed(random));
}

const repeated = (random: Random, text: string) => text.repeat(1 + random.below(random.below(4) === 0 ? 40 : 3));

function mixed(random: Random): string {
  const pieces: (() => string)[] = [
    () => word(random),
    () => word(random),
    () => repeated(random, pick(random, BLANKS)),
    () => " ",
    () => pick(random, EMOJI),
    () => repeated(random, pick(random, SIGNS)),
    () => String(Math.floor(10 ** (1 + random.below(15)) * random.uniform())),
    () => pick(random, CONTRACTIONS),
    () => pick(random, random.below(6) === 0 ? CODE : PROSE).slice(random.below(20), 20 + random.below(40)),
    () => (random.below(4) === 0 ? pick(random, SPECIAL) : word(random)),
    () => (random.below(8) === 0 ? String.fromCodePoint(random.below(0xd800)) : " "),
  ];
  return Array.from({ length: 1 + random.below(14) }, () => pick(random, pieces)()).join("");
}

function word(random: Random): string {
  const [first, last] = pick(random, SCRIPTS);
  const letters = Array.from({ length: 1 + random.below(9) }, () => {
    const letter = String.fromCodePoint(first + random.below(last - first + 1));
    return random.below(10) === 0 ? letter + pick(random, MARKS) : letter;
  });
  return letters.join("");
}
