/** @file Units: what they measure, and how many of the base unit they hold. */

import type { Rational } from "../algebra/rational.ts";
import * as Q from "../algebra/rational.ts";
import { AMBIGUOUS, DEFINITIONS, PREFIXED, PREFIXES } from "./unit-names.ts";

/** A product of powers of base units and a factor. */
export type Measure = { dimensions: ReadonlyMap<string, number>; factor: Rational };

const rational = (decimal: string): Rational => {
  const [whole, fraction = ""] = decimal.split(".") as [string, string?];
  return Q.ratio(BigInt(whole + fraction), 10n ** BigInt(fraction.length));
};

const known = new Map<string, Measure>();

const rationalPower10 = (size: number): Rational => Q.power(Q.integer(10), Math.round(Math.log10(size)));

/** Whether a word is a unit by itself. */
export const isUnit = (word: string): boolean => known.has(word);

const EXPONENT_WORDS: Readonly<Record<string, number>> = {
  square: 2,
  sq: 2,
  "sq.": 2,
  cubic: 3,
  cu: 3,
  "cu.": 3,
  平方: 2,
  立方: 3,
};
const POWER_WORDS: Readonly<Record<string, number>> = { squared: 2, cubed: 3 };

/** What a unit measures, read from its words: "km/h", "square feet of carpet", "m·s^-2"; undefined for a noun. */
export function measureOf(text: string): Measure | undefined {
  const cached = known.get(text) ?? seen.get(text);
  if (cached) return cached;
  const measure = text.length > 120 ? undefined : readMeasure(text);
  if (measure && seen.size < 1_000) seen.set(text, measure);
  return measure;
}

const seen = new Map<string, Measure>();

const PART =
  /\s*(?:(\/|\\?\bper\b|每)|([*·⋅.]|\\cdot\b|\\times\b)|\^?\s*\{?\(?([-+]?\d+)\)?\}?|(°\s?[CF]\b|[A-Za-zμ°Ω¢¥]+\.?|[\u0400-\u04ff\u4e00-\u9fff]+))/y;
const SUPERSCRIPTS: Readonly<Record<string, string>> = { "¹": "1", "²": "2", "³": "3" };

function readMeasure(text: string): Measure | undefined {
  const plain = text
    .replace(/degrees?\s+(celsius|fahrenheit|c\b|f\b)/gi, (_, scale: string) =>
      /^c/i.test(scale) ? "celsius" : "fahrenheit",
    )
    .replace(/\\(?:text|mathrm|mbox|rm)\b|[\\{}$~]+(?![a-z])|[{}~]/g, " ")
    .replace(/(⁻?)([¹²³])/g, (_, minus: string, digit: string) => `^${minus && "-"}${SUPERSCRIPTS[digit]}`)
    .trim();
  const parts: { measure: Measure; exponent: number }[] = [];
  let [sign, exponent] = [1, 1];
  PART.lastIndex = 0;
  for (let part = PART.exec(plain); part; part = PART.exec(plain)) {
    const [, per, times, digits, word] = part;
    if (per) sign = -1;
    else if (times) continue;
    else if (digits) {
      const last = parts.at(-1);
      if (!last) return undefined;
      last.exponent *= Number(digits);
    } else if (EXPONENT_WORDS[word!]) exponent = EXPONENT_WORDS[word!]!;
    else if (POWER_WORDS[word!] && parts.length > 0) parts.at(-1)!.exponent *= POWER_WORDS[word!]!;
    else {
      const measure = known.get(word!) ?? known.get(word!.replace(/\.$/, "")) ?? exponentIn(word!);
      // "of carpet" and "tall" say nothing; what is measured per noun is not known.
      if (!measure) {
        if (sign < 0) parts.push({ measure: { dimensions: new Map([[word!, 1]]), factor: Q.ONE }, exponent: sign });
        break;
      }
      parts.push({ measure, exponent: sign * exponent });
      exponent = 1;
    }
  }
  return parts.length === 0 ? undefined : parts.map(raised).reduce(multiplied);
}

/** 平方米 is one word. */
function exponentIn(word: string): Measure | undefined {
  const unit = /^(平方|立方)(.+)$/.exec(word);
  const base = unit && known.get(unit[2]!);
  return base ? raised({ measure: base, exponent: EXPONENT_WORDS[unit[1]!]! }) : undefined;
}

const raised = ({ measure, exponent }: { measure: Measure; exponent: number }): Measure => ({
  dimensions: new Map([...measure.dimensions].map(([name, n]) => [name, n * exponent])),
  factor: Math.abs(exponent) > 12 ? Q.ONE : Q.power(measure.factor, exponent),
});

function multiplied(a: Measure, b: Measure): Measure {
  const dimensions = new Map(a.dimensions);
  for (const [name, n] of b.dimensions) {
    const sum = (dimensions.get(name) ?? 0) + n;
    if (sum === 0) dimensions.delete(name);
    else dimensions.set(name, sum);
  }
  return { dimensions, factor: Q.multiply(a.factor, b.factor) };
}

for (const [definition, names] of DEFINITIONS) {
  const [, factor, rest] = /^([\d.]+ )?(.+)$/.exec(definition)!;
  const base = readMeasure(rest!) ?? { dimensions: new Map([[rest!, 1]]), factor: Q.ONE };
  const measure = { ...base, factor: Q.multiply(base.factor, rational((factor ?? "1").trim())) };
  for (const name of names.split(" ")) known.set(name, measure);
}

for (const unit of PREFIXED) {
  const base = known.get(unit);
  for (const [prefix, size] of Object.entries(PREFIXES))
    if (base && !known.has(prefix + unit) && !AMBIGUOUS.has(prefix + unit))
      known.set(prefix + unit, { ...base, factor: Q.multiply(base.factor, rationalPower10(size)) });
}

/** Whether two units measure the same kind of thing. Without saying which, a unit is of any kind, and a degree of any scale. */
export function isSameKind(a: Measure, b: Measure): boolean {
  const [x, y] = [a.dimensions, b.dimensions];
  if (x.has("unit") !== y.has("unit")) return total(x) === total(y);
  if (isTemperature(x) && isTemperature(y) && (x.has("angle") || y.has("angle"))) return true;
  return x.size === y.size && [...x].every(([name, n]) => y.get(name) === n);
}

const total = (dimensions: ReadonlyMap<string, number>) => [...dimensions.values()].reduce((sum, n) => sum + n, 0);
const isTemperature = (dimensions: ReadonlyMap<string, number>) =>
  dimensions.size === 1 && ["angle", "celsius", "fahrenheit"].some((name) => dimensions.get(name) === 1);
