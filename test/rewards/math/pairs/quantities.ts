/** @file Units of whole formulas, two units of one kind side by side, numbers in a base, coordinates, cases. */

import type { Random } from "../../../../src/core/random.ts";
import { between, isHeads, type Maker, pick } from "./pair.ts";

/** Units of one kind, each with how many of the last one it holds. */
const KINDS: readonly (readonly (readonly [string, number])[])[] = [
  [
    ["km", 100_000],
    ["m", 100],
    ["cm", 1],
  ],
  [
    ["hours", 3600],
    ["minutes", 60],
    ["seconds", 1],
  ],
  [
    ["kg", 1000],
    ["g", 1],
  ],
  [
    ["feet", 12],
    ["inches", 1],
  ],
];

const written = (value: string, unit: string, random: Random) =>
  pick(random, [`${value}\\text{ ${unit}}`, `${value} \\, \\mathrm{${unit}}`, `${value}\\ \\text{${unit}}`]);

/** A product or sum of roots and π with a unit; changed in its unit alone, or in its number. */
export const measuredFormulas: Maker = (random) => {
  const [a, b] = [between(random, 2, 9), pick(random, [2, 3, 5, 7])];
  const forms: readonly (readonly [string, string])[] = [
    [`${a}\\pi`, `\\pi\\cdot ${a}`],
    [`${a}\\sqrt{${b}}`, `\\sqrt{${a * a * b}}`],
    [`(${a}+\\sqrt{${b}})`, `(\\sqrt{${b}}+${a})`],
    [`\\frac{${a}\\pi}{${b}}`, `\\frac{${a}}{${b}}\\pi`],
    [`${a}\\cdot ${b}`, `${a * b}`],
  ];
  const [one, same] = pick(random, forms);
  const units = pick(random, KINDS);
  const [unit, other] = random.shuffled([...units]) as [readonly [string, number], readonly [string, number]];
  const answer = written(one, unit[0], random);
  if (isHeads(random))
    return { prediction: isHeads(random) ? same : written(same, unit[0], random), answer, equal: true };
  const wrong = [
    written(same, other[0], random),
    written(`${a + 1}${one}`, unit[0], random),
    `${same} \\text{ ${unit[0]}}^2`,
  ];
  return { prediction: pick(random, wrong), answer, equal: false };
};

/** 5 feet 10 inches. */
export const compounds: Maker = (random) => {
  const units = pick(random, KINDS);
  const i = random.below(units.length - 1);
  const [big, small] = [units[i]!, units[i + 1]!];
  const ratio = big[1] / small[1];
  const [x, y] = [between(random, 1, 9), between(random, 1, Math.min(ratio, 60) - 1)];
  const whole = (n: number) => `${n * ratio + y} \\text{ ${small[0]}}`;
  const answer = pick(random, [
    `${x} \\text{ ${big[0]} } ${y} \\text{ ${small[0]}}`,
    `${x}\\text{ ${big[0]} and }${y}\\text{ ${small[0]}}`,
    whole(x),
  ]);
  const equal = isHeads(random);
  const same = [whole(x), `${x}\\text{ ${big[0]} }${y}\\text{ ${small[0]}}`, `${x} ${big[0]} and ${y} ${small[0]}`];
  const other = [
    whole(x + 1),
    `${x} \\text{ ${big[0]}}`,
    `${y + 1} \\text{ ${small[0]}}`,
    `${x + y}\\text{ ${big[0]}}`,
  ];
  return { prediction: pick(random, equal ? same : other), answer, equal };
};

/** Digits in a base, written and said. */
export const bases: Maker = (random) => {
  const base = between(random, 2, 9);
  const digits = (n: number) => n.toString(base);
  const n = between(random, base * base, 900);
  const write = (text: string, b: number) =>
    pick(random, [
      `${text}_${b}`,
      `${text}_{${b}}`,
      `(${text})_{${b}}`,
      `${text} \\text{ (base ${b})}`,
      `\\overline{${text}}_{${b}}`,
    ]);
  const equal = isHeads(random);
  const wrong = [write(digits(n + 1), base), write(digits(n), base + 1)];
  return { prediction: equal ? write(digits(n), base) : pick(random, wrong), answer: `${digits(n)}_{${base}}`, equal };
};

/** Vectors by coordinates and by unit vectors. */
export const vectors: Maker = (random) => {
  const v = [between(random, 1, 9), between(random, -9, -1), between(random, 2, 9)];
  const sum = (c: readonly number[], mark: (letter: string) => string) =>
    `${c[0]}${mark("i")}${c[1]! < 0 ? "" : "+"}${c[1]}${mark("j")}${c[2]! < 0 ? "" : "+"}${c[2]}${mark("k")}`;
  const write = (c: readonly number[]) =>
    pick(random, [
      `(${c.join(",")})`,
      `\\langle ${c.join(", ")}\\rangle`,
      `\\begin{pmatrix}${c.join("\\\\")}\\end{pmatrix}`,
      sum(c, (letter) => `\\mathbf{${letter}}`),
      sum(c, (letter) => `\\hat{${letter}}`),
    ]);
  const equal = isHeads(random);
  const wrong = [
    [v[1]!, v[0]!, v[2]!],
    [v[0]!, -v[1]!, v[2]!],
    [v[0]!, v[1]!, v[2]! + 1],
  ];
  return { prediction: write(equal ? v : pick(random, wrong)), answer: `(${v.join(", ")})`, equal };
};

/** Functions by cases, in any order of the cases. */
export const cases: Maker = (random) => {
  const [a, b, at] = [between(random, 1, 9), between(random, -9, -1), between(random, -5, 5)];
  const write = (first: string, second: string, c: number, less = "<") => {
    const rows = [`${first} & x \\ge ${c}`, `${second} & x ${less} ${c}`];
    return `\\begin{cases}${(isHeads(random) ? rows : rows.reverse()).join(" \\\\ ")}\\end{cases}`;
  };
  const equal = isHeads(random);
  const [up, down] = [`${a}x`, `${b}x+1`];
  const wrong = [write(down, up, at), write(up, down, at + 1), write(up, `${b}x`, at), write(up, down, at, "\\le")];
  const same = [write(up, down, at), write(`x\\cdot ${a}`, `1${b}x`, at)];
  return { prediction: pick(random, equal ? same : wrong), answer: write(up, down, at), equal };
};
