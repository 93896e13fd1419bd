/** @file Texts on which tokenizers are compared: many scripts, code, blanks, numbers, and tokens that stand for themselves. */

import { seededRandom } from "../core/random.ts";

const SENTENCES = [
  "The quick brown fox doesn't jump over 13 lazy dogs, does it?",
  "It's 9 o'clock; they'll say we've WON, I'd guess. DON'T SHOUT!",
  "Çà et là, l'été naïf où l'œuvre s'achève – déjà vu ?",
  "Größe, Maß, Straße: überall Äpfel, Öl und Übermut.",
  "El niño soñó con pingüinos. ¿Cuándo? ¡Mañana!",
  "Zażółć gęślą jaźń, příliš žluťoučký kůň, İstanbul'da ılık.",
  "Việt Nam có tiếng nói giàu thanh điệu.",
  "Съешь же ещё этих мягких французских булок.",
  "Щастя – це їжа, Київ і ґанок.",
  "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
  "نص حكيم له سر قاطع وذو شأن عظيم ١٢٣",
  "דג סקרן שט בים מאוכזב ולפתע מצא חברה",
  "ऋषियों को सताने वाले दुष्ट राक्षसों का नाश १२३",
  "வணக்கம் உலகம், நலமா?",
  "আমি বাংলায় গান গাই।",
  "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
  "我能吞下玻璃而不伤身体。你好，世界！",
  "いろはにほへと ちりぬるを、カタカナとＡＢＣ１２３。",
  "다람쥐 헌 쳇바퀴에 타고파.",
  "ქართული ენა და հայերեն լեզու",
  "😀 👍🏽 👩‍👩‍👧 🇫🇷 ❤️ 🏳️‍🌈 1️⃣",
  "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β ⇒ ∑ᵢ aᵢ² ≤ ½√π",
  "“Quotes”, ‘single’, «guillemets», „low“ … — – ‑ • ™ © ® § ¶",
  "price: $1,234.56 or €99.90 (−12.5 %), 1e-5, 0x7fFF, 2026-11-27T23:59:59Z",
  "https://example.org/a_b-c?d=e%20f&g=#h user.name+tag@example.com C:\\Temp\\x.txt ~/.bashrc",
  "<think>12 + 30 = 42</think><answer>42</answer>",
  '{"key": [1, 2.5, null, true], "text": "a\\nb\\u00e9"}',
  "| a | b |\n|---|---|\n| 1 | `x` |\n\n# Title\n\n- [ ] **bold** _it_\n  1. one\n",
  "snake_case camelCase PascalCase kebab-case SCREAMING_CASE a1b2c3 x86_64 utf8",
  "aaaaaaaaaaaaaaaaaaaaaaaa!!!!!!!!!!?????.....------====____~~~~",
];

const CODE = [
  "def f(x, *args, **kwargs):\n    if x > 0:\n        return [i ** 2 for i in range(x)]\n    # done\n\treturn None\n",
  "for (let i = 0; i < n; i++) {\n  a[i] = b?.c ?? `d`;\n}\n",
  'int main(void) {\r\n\tprintf("%d\\n", x->y);\r\n\treturn 0;\r\n}\r\n',
  "SELECT a, COUNT(*) FROM t WHERE b <> 'c' GROUP BY 1;\n",
  '<div class="x">\n  <p>Hello&nbsp;&amp;</p>\n</div>\n',
  "\\frac{a_{1}}{b^{2}} \\le \\sum_{i=0}^{n} x_i\n",
  "if True:\n            deep = 1\n                deeper = 2\n",
];

const BETWEEN = [
  "",
  " ",
  " ",
  "  ",
  "   ",
  "    ",
  "\n",
  "\n\n",
  "\n\n\n",
  "\t",
  "\t\t",
  " \n",
  "\n ",
  "\r\n",
  "\u00a0",
  "\u3000",
];

/**
 * `count` texts, the same ones every time. `added` are tokens that stand for themselves, of which each text may hold some.
 * They are composed (NFC), since llama.cpp does not compose what it reads.
 */
export function textsToEncode(count: number, added: readonly string[]): string[] {
  const random = seededRandom(17);
  const one = <T>(items: readonly T[]): T => items[random.below(items.length)]!;
  const part = (text: string): string => {
    const characters = [...text];
    const from = random.below(characters.length);
    return characters.slice(from, from + 1 + random.below(characters.length - from)).join("");
  };
  const written = added.filter((token) => !/^▁+$/.test(token)); // SentencePiece's blanks, which no text has
  const kinds: (() => string)[] = [
    () => one(SENTENCES),
    () => part(one(SENTENCES)),
    () => one(one(SENTENCES).split(" ")),
    () => one(CODE),
    () => one([" ", "\t", "\n"]).repeat(1 + random.below(40)),
    () => String(random.below(10 ** (1 + random.below(12)))),
    () => (written.length > 0 ? one(written) : one(SENTENCES)),
  ];
  const whole = [...SENTENCES, ...CODE, "", " ", "\n", ...Array.from({ length: 40 }, (_, i) => `a${" ".repeat(i)}b`)];
  return Array.from({ length: count }, (_, i) => {
    if (i < whole.length) return whole[i]!;
    return Array.from({ length: 1 + random.below(8) }, () => one(kinds)() + one(BETWEEN)).join("");
  }).map((text) => text.normalize("NFC"));
}
