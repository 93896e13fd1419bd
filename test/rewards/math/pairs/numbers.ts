/** @file Numbers in their notations, with signs, words, scales and units that change them. */

import { between, isHeads, type Maker, pick } from "./pair.ts";

const WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split(
  " ",
);
const NOUNS = ["apples", "students", "marbles", "red balls", "dollars", "cm", "pages of the book", "books in total"];
const INTRODUCTIONS = [
  "\\text{The answer is }",
  "\\text{approximately }",
  "x = ",
  "n=",
  "\\text{Total: }",
  "\\approx ",
];

/** A whole number, spelled in many ways; what changes it is a sign, a scale, doubt or another digit. */
export const wholeNumbers: Maker = (random) => {
  const n = between(random, 3, isHeads(random) ? 15 : 999_999);
  const noun = pick(random, NOUNS);
  const spellings = [
    `${n}`,
    `+${n}`,
    `${n}.0`,
    `${n.toLocaleString("en-US")}`,
    `\\text{${n}}`,
    `\\text{${n} ${noun}}`,
    `${n} \\text{ ${noun}}`,
    `${n} ${noun}`,
    `\\frac{${2 * n}}{2}`,
    `${pick(random, INTRODUCTIONS)}${n}`,
    `${n - 1} + 1`,
    `\\boxed{${n}}`,
    `\\mathbf{${n}}`,
    `\\$${n}`,
    `${n}個`.replace("個", "个"),
    `\\sqrt{${n}^2}`,
    `${n} \\text{ (the only solution)}`,
    ...(n < WORDS.length ? [WORDS[n]!, `\\text{${WORDS[n]!}}`] : []),
  ];
  const changes = [
    `-${n}`,
    `${n + 1}`,
    `${n}!`,
    `${n}\\%`,
    `${n}\\text{ million}`,
    `${n} thousand`,
    `${n}^2`,
    `${n}i`,
    `${n} \\text{ or } ${n + 1}`,
    `${n} \\text{ or maybe ${n + 1}}`,
    `\\text{not } ${n}`,
    `${n} \\text{ is wrong}`,
    `\\text{possibly }${n}`,
    `${n}_{8}`.replace(/_\{8\}$/, n > 7 ? "_8" : "x"),
    `${n}, ${n + 1}`,
    `x > ${n}`,
    `\\pm ${n}`,
    `${n}.5`,
    `\\{${n}, 1\\}`,
    `\\frac{${n}}{2}`,
    `${n}万`,
    `${n} \\text{ squared}`,
    `at least ${n}`,
  ];
  const equal = isHeads(random);
  return { prediction: pick(random, equal ? spellings : changes), answer: `${n}`, equal };
};

/** Fractions: lowest terms, mixed, repeating and terminating decimals. */
export const fractions: Maker = (random) => {
  const d = pick(random, [2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 16, 25]);
  const whole = between(random, 0, 4);
  const top = between(random, 1, d - 1);
  const n = whole * d + top;
  const k = between(random, 2, 5);
  const spellings = [
    `\\frac{${n}}{${d}}`,
    `\\dfrac{${n}}{${d}}`,
    `${n}/${d}`,
    `\\frac{${k * n}}{${k * d}}`,
    `{${n} \\over ${d}}`,
    `${whole} + \\frac{${top}}{${d}}`,
    `-\\frac{-${n}}{${d}}`,
    `\\frac{${100 * n}}{${d}}\\%`,
    ...(whole > 0 ? [`${whole}\\frac{${top}}{${d}}`, `${whole} ${top}/${d}`] : []),
    ...decimals(n, d),
  ];
  const changes = [
    `\\frac{${n + 1}}{${d}}`,
    `\\frac{${d}}{${n + d}}`,
    `-\\frac{${n}}{${d}}`,
    `\\frac{${n}}{${d}}\\%`,
    `\\binom{${n + 4}}{${d}}`,
    `\\frac{${n}}{${d}}!`,
    `${(n / d + 0.01).toFixed(2)}`,
  ].filter((text) => !(text.startsWith("\\binom") && isSameBinomial(n + 4, d, n / d)));
  const equal = isHeads(random);
  return { prediction: pick(random, equal ? spellings : changes), answer: `\\frac{${n}}{${d}}`, equal };
};

function isSameBinomial(n: number, k: number, value: number): boolean {
  let result = 1;
  for (let i = 1; i <= k; i++) result = (result * (n - k + i)) / i;
  return result === value;
}

/** The exact decimal, by long division: with its period over a line, under dots or in brackets. */
function decimals(n: number, d: number): string[] {
  const seen = new Map<number, number>();
  let digits = "";
  let rest = n % d;
  while (rest !== 0 && !seen.has(rest)) {
    seen.set(rest, digits.length);
    digits += Math.floor((rest * 10) / d);
    rest = (rest * 10) % d;
  }
  const whole = Math.floor(n / d);
  if (rest === 0) return [`${whole}.${digits}`];
  const [head, period] = [digits.slice(0, seen.get(rest)!), digits.slice(seen.get(rest)!)];
  const dotted =
    period.length === 1 ? `\\dot{${period}}` : `\\dot{${period[0]}}${period.slice(1, -1)}\\dot{${period.at(-1)}}`;
  return [`${whole}.${head}\\overline{${period}}`, `${whole}.${head}(${period})`, `${whole}.${head}${dotted}`];
}

/** Units by dimension, with how many of the first each holds. */
const UNITS: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  length: [
    ["mm", 1],
    ["cm", 10],
    ["m", 1_000],
    ["km", 1_000_000],
  ],
  time: [
    ["seconds", 1],
    ["minutes", 60],
    ["hours", 3_600],
    ["days", 86_400],
  ],
  mass: [
    ["mg", 1],
    ["g", 1_000],
    ["kg", 1_000_000],
  ],
  volume: [
    ["mL", 1],
    ["cm^3", 1],
    ["L", 1_000],
    ["m^3", 1_000_000],
  ],
  area: [
    ["cm^2", 1],
    ["square meters", 10_000],
  ],
  speed: [
    ["m/h", 1],
    ["km/h", 1_000],
    ["m/s", 3_600],
    ["meters per second", 3_600],
  ],
  money: [
    ["cents", 1],
    ["dollars", 100],
  ],
};

/** Values with units: converted, left out, of another size or another dimension. */
export const units: Maker = (random) => {
  const dimension = pick(random, Object.keys(UNITS));
  const family = UNITS[dimension]!;
  const [unit, size] = pick(random, family);
  const n = between(random, 1, 60);
  const written = (value: string, name: string) =>
    isHeads(random) ? `${value} \\text{ ${name}}` : `${value}\\ \\mathrm{${name}}`;
  const answer = `${n} \\text{ ${unit}}`;
  if (isHeads(random)) {
    const [other, otherSize] = pick(random, family);
    const value = size % otherSize === 0 ? `${(n * size) / otherSize}` : `\\frac{${n * size}}{${otherSize}}`;
    return { prediction: pick(random, [written(value, other), `${n}`, written(`${n}.0`, unit)]), answer, equal: true };
  }
  const [other, otherSize] = pick(random, family);
  const stranger = pick(
    random,
    Object.keys(UNITS).filter((name) => name !== dimension),
  );
  const foreign = pick(random, UNITS[stranger]!)[0];
  return otherSize === size || isHeads(random)
    ? { prediction: written(`${n}`, foreign), answer, equal: false }
    : { prediction: written(`${n}`, other), answer, equal: false };
};
