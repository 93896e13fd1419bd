/** @file Letters, sets of numbers, lists, equations, and what sentences take back. */

import type { Random } from "../../../../src/core/random.ts";
import { between, isHeads, type Maker, pick, plus } from "./pair.ts";

const LETTERS = ["A", "B", "C", "D", "E"];

/** One letter or several, in boxes and in sentences of some languages. */
export const choices: Maker = (random) => {
  const [right, wrong, third] = random.shuffled(LETTERS) as [string, string, string];
  const equal = isHeads(random);
  if (isHeads(random)) {
    const boxes = [
      right,
      `(${right})`,
      `\\text{${right}}`,
      `${right}.`,
      `\\textbf{(${right})}`,
      `${right}) seven`,
      `Option ${right}`,
    ];
    const open = [
      wrong,
      `${right} or ${wrong}`,
      `${right}, ${wrong}`,
      `${right}/${wrong}`,
      `(${right})(${wrong})(${third})`,
      `not ${right}`,
      `${right} and ${wrong}`,
      `${right} (or ${wrong})`,
    ];
    return { prediction: pick(random, equal ? boxes : open), answer: right, equal };
  }
  if (isHeads(random)) {
    const asked = [right, wrong].sort();
    const same = [
      asked.join(""),
      asked.join(", "),
      asked.join(" and "),
      [...asked].reverse().join(","),
      `(${asked[0]}) and (${asked[1]})`,
      asked.join("、"),
    ];
    const other = [
      right,
      `${asked.join("")}${third}`.split("").sort().join(""),
      `${right}, ${third}`,
      asked.join(" or "),
      third,
    ];
    return {
      prediction: pick(random, equal ? same : other),
      answer: pick(random, [asked.join(""), asked.join(", ")]),
      equal,
    };
  }
  const sentences = (chosen: string, rejected: string) => [
    `The answer is ${chosen}.`,
    `The answer is (${chosen}), not (${rejected}).`,
    `It is not ${rejected}, it is ${chosen}.`,
    `${rejected} is wrong. The answer is ${chosen}.`,
    `The answer isn't ${rejected}; it's ${chosen}.`,
    `**Answer: ${chosen}**`,
    `故选：${chosen}`,
    `答案是${chosen}。`,
    `La bonne réponse est ${chosen}.`,
    `Die Antwort ist ${chosen}.`,
    `La respuesta es ${chosen}.`,
    `Ответ: ${chosen}`,
    `We find \\boxed{x+1}.\n\nAnswer: ${chosen}`,
    `\\boxed{${chosen}}`,
    `(${chosen}) is correct.`,
  ];
  const open = [
    `The answer is ${right} or ${wrong}.`,
    `Answer: ${right}, ${wrong}`,
    `The answer is either ${right} or ${wrong}.`,
    `The answer is not ${right}.`,
  ];
  const wrongs = [...sentences(wrong, right), ...open];
  return {
    prediction: pick(random, equal ? sentences(right, wrong) : wrongs),
    answer: right,
    equal,
    profile: "lenient",
  };
};

type Span = { low: number; lowOpen: boolean; high: number; highOpen: boolean };

const INFINITE = 1_000;

/** Ordered spans with gaps between them. */
function spans(random: Random): Span[] {
  const found: Span[] = [];
  let at = between(random, -20, 0);
  const count = between(random, 1, 3);
  for (let i = 0; i < count; i++) {
    const low = at;
    const high = low + between(random, 1, 6);
    found.push({ low, lowOpen: isHeads(random), high, highOpen: isHeads(random) });
    at = high + between(random, 1, 4);
  }
  if (isHeads(random)) found[0] = { ...found[0]!, low: -INFINITE, lowOpen: true };
  const last = found.length - 1;
  if (isHeads(random)) found[last] = { ...found[last]!, high: INFINITE, highOpen: true };
  return found;
}

const end = (n: number) => (n === INFINITE ? "\\infty" : n === -INFINITE ? "-\\infty" : `${n}`);
const asInterval = ({ low, lowOpen, high, highOpen }: Span) =>
  `${lowOpen ? "(" : "["}${end(low)}, ${end(high)}${highOpen ? ")" : "]"}`;

function asInequality({ low, lowOpen, high, highOpen }: Span, v: string, random: Random): string {
  const [less, more] = [(open: boolean) => (open ? "<" : "\\le"), (open: boolean) => (open ? ">" : "\\ge")];
  if (low === -INFINITE && high === INFINITE) return `${v} \\in \\mathbb{R}`;
  if (low === -INFINITE) return isHeads(random) ? `${v} ${less(highOpen)} ${high}` : `${high} ${more(highOpen)} ${v}`;
  if (high === INFINITE) return isHeads(random) ? `${v} ${more(lowOpen)} ${low}` : `${low} ${less(lowOpen)} ${v}`;
  return `${low} ${less(lowOpen)} ${v} ${less(highOpen)} ${high}`;
}

function describe(set: readonly Span[], random: Random): string {
  const order = isHeads(random) ? set : random.shuffled(set);
  const united = order.map(asInterval).join(" \\cup ");
  const v = pick(random, ["x", "t"]);
  const inequalities = order.map((span) => asInequality(span, v, random)).join(" \\text{ or } ");
  return pick(random, [
    united,
    `${v} \\in ${united}`,
    inequalities,
    `\\{${v} \\mid ${inequalities}\\}`,
    `\\{${v} \\in \\mathbb{R} : ${inequalities}\\}`,
  ]);
}

/** Unions of intervals, in each notation; changed at an end, or by a piece. */
export const sets: Maker = (random) => {
  const set = spans(random);
  const v = pick(random, ["x", "t"]);
  const answer = pick(random, [
    set.map(asInterval).join("\\cup "),
    set.map((span) => asInequality(span, v, random)).join(" \\text{ or } "),
  ]);
  if (isHeads(random)) {
    const prediction = describe(set, random);
    // A letter may be named by both: then it must be one.
    const renamed = /[xt] |[xt]$/.test(answer) ? prediction.replace(/\b[xt]\b(?!ext)/g, v) : prediction;
    return { prediction: renamed, answer, equal: true };
  }
  const i = random.below(set.length);
  const span = set[i]!;
  const finite = span.low !== -INFINITE || span.high !== INFINITE;
  const changed = finite
    ? isHeads(random) === (span.low !== -INFINITE) && span.low !== -INFINITE
      ? isHeads(random)
        ? { ...span, lowOpen: !span.lowOpen }
        : { ...span, low: span.low - 0.5 }
      : span.high !== INFINITE
        ? isHeads(random)
          ? { ...span, highOpen: !span.highOpen }
          : { ...span, high: span.high + 0.5 }
        : { ...span, lowOpen: !span.lowOpen }
    : { ...span, high: 3, highOpen: true };
  return { prediction: describe(set.with(i, changed), random).replace(/\b[xt]\b(?!ext)/g, v), answer, equal: false };
};

/** Points taken out of the real numbers. */
export const exceptions: Maker = (random) => {
  const a = between(random, -9, 9);
  const b = a + between(random, 1, 9);
  const two = isHeads(random);
  const pieces = two ? `(-\\infty,${a})\\cup(${a},${b})\\cup(${b},\\infty)` : `(-\\infty,${a})\\cup(${a},\\infty)`;
  const described = (p: number, q: number) =>
    two
      ? [
          `\\mathbb{R}\\setminus\\{${p},${q}\\}`,
          `x\\neq ${q}, x\\ne ${p}`,
          `\\text{all real numbers except } ${p} \\text{ and } ${q}`,
          `\\{x\\in\\mathbb{R} : x\\ne ${p}, x \\ne ${q}\\}`,
        ]
      : [
          `\\mathbb{R}\\setminus\\{${p}\\}`,
          `x\\neq ${p}`,
          `\\text{all real numbers except } ${p}`,
          `\\{x \\mid x\\ne ${p}\\}`,
          `\\mathbb{R}-\\{${p}\\}`,
        ];
  const equal = isHeads(random);
  const others = [...described(a + 1, b + 1), "\\mathbb{R}", `(${a},\\infty)`, `x > ${a}`];
  return { prediction: pick(random, equal ? described(a, b) : others), answer: pieces, equal };
};

/** Equations and inequalities, scaled and turned round. */
export const equations: Maker = (random) => {
  const [a, b, c] = [between(random, 1, 9), between(random, 1, 9), between(random, 1, 20)];
  const k = pick(random, [-3, -2, 2, 3, 5]);
  const equal = isHeads(random);
  if (isHeads(random)) {
    const same = [
      `${k * a}x${plus(k * b)}y=${k * c}`,
      `${a}x+${b}y-${c}=0`,
      `${c}=${b}y+${a}x`,
      `y = \\frac{${c}-${a}x}{${b}}`,
    ];
    const other = [
      `${k * a}x${plus(k * b)}y=${k * c + 1}`,
      `${a}x-${b}y=${c}`,
      `${c}`,
      `${a + 1}x+${b}y=${c}`,
      `${a}x+${b}y\\ne ${c}`,
    ];
    return { prediction: pick(random, equal ? same : other), answer: `${a}x+${b}y=${c}`, equal };
  }
  const flip = k < 0 ? ">" : "<";
  const same = [`${k * a}x${plus(k * b)}y ${flip} ${k * c}`, `${c} > ${b}y+${a}x`];
  const other = [
    `${k * a}x${plus(k * b)}y ${flip === "<" ? ">" : "<"} ${k * c}`,
    `${a}x+${b}y \\le ${c}`,
    `${a}x+${b}y=${c}`,
  ];
  return { prediction: pick(random, equal ? same : other), answer: `${a}x+${b}y<${c}`, equal };
};

/** Lists without an order, tuples with one. */
export const lists: Maker = (random) => {
  const items = random.shuffled(Array.from({ length: 30 }, (_, i) => i - 9)).slice(0, between(random, 2, 5));
  const equal = isHeads(random);
  const [shuffled, more] = [random.shuffled(items), [...items, 99]];
  const less = items.slice(1);
  if (isHeads(random)) {
    const write = (list: readonly number[]) =>
      pick(random, [
        list.join(", "),
        `\\{${list.join(", ")}\\}`,
        list.map((n) => `x=${n}`).join(" \\text{ or } "),
        list.join("; "),
      ]);
    const other = isHeads(random) && less.length > 0 ? less : more;
    return {
      prediction: write(equal ? shuffled : other),
      answer: pick(random, [items.join(", "), `\\{${items.join(",")}\\}`]),
      equal,
    };
  }
  const turned = [...items.slice(1), items[0]!];
  const brackets = (list: readonly number[]) =>
    pick(random, [
      `(${list.join(", ")})`,
      `\\left(${list.join(",\\ ")}\\right)`,
      `\\langle ${list.join(", ")} \\rangle`,
    ]);
  return {
    prediction: equal ? brackets(items) : pick(random, [brackets(turned), brackets(more)]),
    answer: `(${items.join(",")})`,
    equal,
  };
};

/** Sentences that give a number, and take another back. */
export const denials: Maker = (random) => {
  const n = between(random, 10, 500);
  const other = n + between(random, 1, 40);
  const sentences = (given: number, denied: number) => [
    `The answer is ${given}, not ${denied}.`,
    `The answer is not ${denied}; it is ${given}.`,
    `The answer is not ${denied} but ${given}.`,
    `I don't think the answer is ${denied}; it is ${given}.`,
    `So the answer is ${denied}? No, it is ${given}.`,
    `${denied} is wrong. The answer is ${given}.`,
    `It cannot be ${denied}, so the answer is ${given}.`,
    `The answer is $${given}$ rather than $${denied}$.`,
    `答案不是${denied}，答案是${given}。`,
    `La réponse n'est pas ${denied}. La réponse est ${given}.`,
    `It is not hard to see that the answer is ${given}.`,
    `The final answer is \\boxed{${given}} (not ${denied}).`,
  ];
  const open = [
    `The answer is ${n} or ${other}.`,
    `The answer is not ${n}.`,
    `${n} is not the answer.`,
    `The answer cannot be ${n}.`,
    `The answer is more than ${n}.`,
    `The answer is either ${n} or ${other}.`,
    `\\boxed{${n} \\text{ or } ${other}}`,
  ];
  const equal = isHeads(random);
  return {
    prediction: pick(random, equal ? sentences(n, other) : [...sentences(other, n), ...open]),
    answer: `${n}`,
    equal,
    profile: "lenient",
  };
};
