/** @file Functions with several laws or with jumps, and marks that make another function. */

import { between, isHeads, type Maker, pick, plus } from "./pair.ts";

/** |x − a| and its kin against what agrees with it on one side. */
export const kinks: Maker = (random) => {
  const v = pick(random, ["x", "t", "y"]);
  const a = between(random, 1, isHeads(random) ? 12 : 4_000) * (isHeads(random) ? 1 : -1);
  const c = between(random, 2, 5);
  const u = `${v}${plus(-a)}`;
  const opposite = `${a}-${v}`;
  const tail = pick(random, ["", `+${v}`, `-${c}${v}^2`, `+${c}`]);
  const defined = v === "y" ? "" : pick(random, ["", "y = ", `f(${v}) = `]);
  const absolute = [
    `|${u}|`,
    `|${opposite}|`,
    `\\left|${u}\\right|`,
    `\\max(${u}, ${opposite})`,
    `-\\min(${u}, ${opposite})`,
    `\\sqrt{(${u})^2}`,
    `\\frac{|${c}${v}${plus(-c * a)}|}{${c}}`,
    `\\frac{(${u})^2}{|${u}|}`,
  ];
  const oneSided = [
    u,
    opposite,
    `|${v}${plus(-a - 1)}|`,
    `|${v}${plus(a)}|`,
    `\\max(${u}, 0)`,
    `\\min(${u}, ${opposite})`,
    `(${u})`,
  ];
  const answer = `${defined}|${u}|${tail}`;
  const equal = isHeads(random);
  return { prediction: `${defined}${pick(random, equal ? absolute : oneSided)}${tail}`, answer, equal };
};

/** min and max with a bound, far or near. */
export const bounds: Maker = (random) => {
  const v = pick(random, ["x", "t"]);
  const a = between(random, 1, pick(random, [9, 99, 9_999]));
  const name = pick(random, ["min", "max"]);
  const sign = isHeads(random) ? "" : "-";
  const bound = `${sign}${a}`;
  const half = name === "min" ? "-" : "+";
  const equal = isHeads(random);
  const same = [
    `\\${name}(${bound}, ${v})`,
    `\\frac{${v}${plus(Number(bound))}${half}|${v}${plus(-Number(bound))}|}{2}`,
  ];
  const other = [v, bound, `\\${name === "min" ? "max" : "min"}(${v}, ${bound})`, `\\${name}(${v}, ${bound}1)`];
  return { prediction: pick(random, equal ? same : other), answer: `\\${name}(${v}, ${bound})`, equal };
};

/** Floors and ceilings of whole and of real numbers. */
export const steps: Maker = (random) => {
  const m = between(random, 2, 30);
  const k = between(random, 1, 20);
  const equal = isHeads(random);
  if (isHeads(random)) {
    const same = [
      `\\lceil x \\rceil + ${k}`,
      `-\\lfloor -x \\rfloor + ${k}`,
      `${k} + \\left\\lceil x \\right\\rceil`,
      `\\lceil x + ${2 * k} \\rceil - ${k}`,
    ];
    const other = [
      `\\lfloor x \\rfloor + ${k + 1}`,
      `\\lfloor x + ${k} \\rfloor`,
      `x + ${k}`,
      `\\lceil x \\rceil + ${k + 1}`,
    ];
    return { prediction: pick(random, equal ? same : other), answer: `\\lceil x + ${k} \\rceil`, equal };
  }
  const n = pick(random, ["n", "k", "m"]);
  const same = [
    `\\left\\lceil \\frac{${n}+${k}-${m - 1}}{${m}} \\right\\rceil`,
    `\\lfloor (${n}+${k + m})/${m} \\rfloor - 1`,
    `\\frac{${n}+${k} - ((${n}+${k}) \\bmod ${m})}{${m}}`,
  ];
  const other = [
    `\\frac{${n}+${k}}{${m}}`,
    `\\left\\lceil \\frac{${n}+${k}}{${m}} \\right\\rceil`,
    `\\lfloor (${n}+${k + 1})/${m} \\rfloor`,
    `\\lfloor (${n}+${k})/${m} \\rfloor + \\lfloor (${n}+${k})/${m * m} \\rfloor`,
    `\\lfloor (${n}+${k})/${m + 1} \\rfloor`,
    `\\lfloor (${n}+${k})/${m} \\rfloor + \\lfloor ${n}/${1_000 * m} \\rfloor`,
  ];
  return {
    prediction: pick(random, equal ? same : other),
    answer: `\\left\\lfloor \\frac{${n}+${k}}{${m}} \\right\\rfloor`,
    equal,
  };
};

/** Marks that make another thing of what they stand on. */
export const marks: Maker = (random) => {
  const f = pick(random, ["f", "g", "h"]);
  const x = pick(random, ["x", "t"]);
  const n = between(random, 3, 20);
  const groups: readonly (readonly string[])[] = [
    [`${f}'(${x})`, `${f}^{\\prime}(${x})`],
    [`${f}''(${x})`, `${f}^{\\prime\\prime}(${x})`],
    [`${f}(${x})`, `${f}\\left(${x}\\right)`],
    [`\\frac{d${f}}{d${x}}`, `d${f}/d${x}`],
    [`\\frac{${f}}{${x}}`, `${f}/${x}`],
    [`\\bar{${x}}`, `\\overline{${x}}`],
    [x],
    [`${x}!`],
    [`${x}^{${n}}`, `${x}**${n}`],
    [`${x}_{${n}}`, `${x}_${n > 9 ? `{${n}}` : n}`],
    [`${n}${x}`, `${x} \\cdot ${n}`],
    [`\\sqrt{${n}${x}}`],
    [`\\sqrt{${n}}${x}`, `${x}\\sqrt{${n}}`],
    [`\\binom{${x}}{${n}}`, `{${x} \\choose ${n}}`],
    [`\\frac{${x}}{${n}}`, `{${x} \\over ${n}}`],
    [`\\lfloor ${x} \\rfloor`],
    [`\\lceil ${x} \\rceil`],
    [`|${x}|`, `\\left|${x}\\right|`],
    [`\\sum_{k=1}^{N} a_k`, `\\sum_{j=1}^{N} a_j`],
    [`\\sum_{k=0}^{N} a_k`, `\\sum_{i=0}^{N} a_i`],
    [`\\int_0^1 ${f}(${x})\\,d${x}`, `\\int_0^1 ${f}(u)\\,du`],
    [`${x} \\bmod ${n}`],
    [`${n} \\operatorname{cis} 60^\\circ`, `${n}\\operatorname{cis}\\frac{\\pi}{3}`],
  ];
  const group = pick(random, groups);
  const answer = pick(random, group);
  if (isHeads(random)) return { prediction: pick(random, group), answer, equal: true };
  const others = groups.filter((other) => other !== group);
  return { prediction: pick(random, pick(random, others)), answer, equal: false };
};

/** Sums of several kinks and steps; one term is replaced by what agrees with it on one side. */
export const sums: Maker = (random) => {
  const places = random.shuffled(Array.from({ length: 40 }, (_, i) => i - 20)).slice(0, between(random, 2, 3));
  const terms = places.map((a) => {
    const u = `x${plus(-a)}`;
    return pick(random, [
      { answer: `|${u}|`, same: [`\\max(${u}, ${a}-x)`, `|${a}-x|`], other: [u, `${a}-x`, `|x${plus(-a + 60)}|`] },
      {
        answer: `\\max(x, ${a})`,
        same: [`\\frac{x${plus(a)}+|${u}|}{2}`],
        other: ["x", `(${a})`, `\\max(x, ${a + 60})`],
      },
      {
        answer: `\\lfloor x${plus(a)} \\rfloor`,
        same: [`\\lfloor x \\rfloor ${plus(a)}`],
        other: [`(x${plus(a)})`, `\\lceil x \\rceil ${plus(a)}`],
      },
      { answer: `\\sqrt{(${u})^2}`, same: [`|${u}|`], other: [`(${u})`, `(${a}-x)`] },
    ]);
  });
  const equal = isHeads(random);
  const changed = random.below(terms.length);
  const order = random.shuffled([...terms.keys()]);
  const prediction = order.map((i) => {
    const { answer, same, other } = terms[i]!;
    if (!equal && i === changed) return pick(random, other);
    return isHeads(random) ? answer : pick(random, same);
  });
  return { prediction: prediction.join(" + "), answer: terms.map((term) => term.answer).join(" + "), equal };
};
