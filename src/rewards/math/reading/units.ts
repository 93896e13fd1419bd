/** @file Units: what they measure, and how many of the base unit they hold. */

import type { Rational } from "../algebra/rational.ts";
import * as Q from "../algebra/rational.ts";

/** A product of powers of base units and a factor. */
export type Measure = { dimensions: ReadonlyMap<string, number>; factor: Rational };

const rational = (decimal: string): Rational => {
  const [whole, fraction = ""] = decimal.split(".") as [string, string?];
  return Q.ratio(BigInt(whole + fraction), 10n ** BigInt(fraction.length));
};

/** Names of each unit after what one holds: a number and a base unit, or a formula of units. */
const DEFINITIONS: readonly (readonly [string, string])[] = [
  ["0.000000001 length", "nm nanometer nanometers nanometre nanometres 纳米"],
  ["0.000001 length", "μm um micrometer micrometers micron microns 微米"],
  ["0.001 length", "mm millimeter millimeters millimetre millimetres 毫米"],
  ["0.01 length", "cm centimeter centimeters centimetre centimetres cms 厘米 см"],
  ["0.1 length", "dm decimeter decimeters decimetre decimetres 分米 дм"],
  ["1 length", "m meter meters metre metres 米 м"],
  ["1000 length", "km kilometer kilometers kilometre kilometres kms 千米 公里 км"],
  ["0.0254 length", "in inch inches"],
  ["0.3048 length", "ft foot feet"],
  ["0.9144 length", "yd yard yards"],
  ["1609.344 length", "mi mile miles"],
  ["0.001 time", "ms millisecond milliseconds"],
  ["1 time", "s sec secs second seconds 秒 秒钟"],
  ["60 time", "min mins minute minutes 分钟"],
  ["3600 time", "h hr hrs hour hours 小时"],
  ["86400 time", "day days 天"],
  ["604800 time", "wk week weeks 周"],
  ["2629800 time", "month months 个月"],
  ["31557600 time", "yr yrs year years"],
  ["0.001 gram", "mg milligram milligrams 毫克"],
  ["1 gram", "g gram grams 克"],
  ["1000 gram", "kg kgs kilogram kilograms kilo kilos 千克 公斤 кг"],
  ["1000000 gram", "tonne tonnes ton tons 吨"],
  ["28.349523125 gram", "oz ounce ounces"],
  ["453.59237 gram", "lb lbs pound pounds"],
  ["1 angle", "degree degrees deg ° 度"],
  ["1 radian", "rad rads radian radians"],
  ["1 dollar", "dollar dollars USD usd bucks buck"],
  ["0.01 dollar", "cent cents ¢"],
  ["1 euro", "euro euros EUR"],
  ["1 sterling", "GBP sterling"],
  ["0.01 sterling", "pence"],
  ["1 yuan", "yuan RMB CNY 元 人民币"],
  ["1 yen", "JPY yen"],
  ["1 rupee", "rupee rupees INR Rs Rs. rs"],
  ["1 ruble", "ruble rubles rouble roubles RUB руб рублей"],
  ["1 won", "KRW"],
  ["1 unit", "unit units 单位"],
  ["1 celsius", "celsius Celsius °C ℃ 摄氏度"],
  ["1 fahrenheit", "fahrenheit Fahrenheit °F ℉"],
  ["1 kelvin", "K kelvin kelvins"],
  ["1 ampere", "A amp amps ampere amperes"],
  ["1 mole", "mol mole moles"],
  ["1 turn", "rpm"],
  ["1 bit", "bit bits"],
  ["8 bit", "B byte bytes"],
  ["8000 bit", "kB KB kilobyte kilobytes"],
  ["8000000 bit", "MB megabyte megabytes"],
  ["8000000000 bit", "GB gigabyte gigabytes"],
  ["cm^3", "ml mL cc milliliter milliliters millilitre millilitres 毫升"],
  ["dm^3", "l L liter liters litre litres 升"],
  ["3.785411784 L", "gal gallon gallons"],
  ["0.473176473 L", "pint pints"],
  ["0.946352946 L", "quart quarts"],
  ["0.2365882365 L", "cup cups"],
  ["4046.8564224 m^2", "acre acres"],
  ["10000 m^2", "ha hectare hectares 公顷"],
  ["mile/hour", "mph"],
  ["km/hour", "kph kmh kmph"],
  ["kg*m/s^2", "N newton newtons"],
  ["1000 N", "kN"],
  ["N*m", "J joule joules"],
  ["1000 J", "kJ"],
  ["J/s", "W watt watts"],
  ["1000 W", "kW"],
  ["3600000 J", "kWh"],
  ["N/m^2", "Pa pascal pascals"],
  ["1000 Pa", "kPa"],
  ["1000000 Pa", "MPa"],
  ["101325 Pa", "atm"],
  ["A*s", "C coulomb coulombs"],
  ["J/C", "V volt volts"],
  ["V/A", "ohm ohms Ω \\Omega Omega"],
  ["C/V", "F farad farads"],
  ["1 calorie", "cal calorie calories"],
  ["1000 calorie", "kcal kilocalorie kilocalories"],
  ["V*s/m^2", "T tesla"],
  ["s^-1", "Hz hertz"],
  ["1000 Hz", "kHz"],
  ["1000000 Hz", "MHz"],
  ["1000000000 Hz", "GHz"],
  ["1 electronvolt", "eV"],
  ["1000000 eV", "MeV"],
  ["1000000000 eV", "GeV"],
];

const known = new Map<string, Measure>();

/** What is rather a product of letters or a word. */
const AMBIGUOUS: ReadonlySet<string> = new Set(["cd", "pF", "cL", "Tm", "Ts", "ms", "TA", "MA", "mC", "cA"]);

const rationalPower10 = (size: number): Rational => Q.power(Q.integer(10), Math.round(Math.log10(size)));

/** Whether a word is a unit by itself. */
export const isUnit = (word: string): boolean => known.has(word);

/** Units that stand before their number. */
export const CURRENCIES: Readonly<Record<string, string>> = {
  "€": "euro",
  "£": "sterling",
  "₹": "rupee",
  "₽": "ruble",
  "₩": "KRW",
  "¢": "cent",
  // Of two countries.
  "¥": "¥",
  "￥": "¥",
  US$: "dollar",
  USD: "dollar",
  EUR: "euro",
  GBP: "sterling",
  INR: "rupee",
  CNY: "yuan",
  RMB: "yuan",
  JPY: "yen",
  RUB: "ruble",
  Rs: "rupee",
  "Rs.": "rupee",
};

/** The same as LaTeX commands. */
export const CURRENCY_COMMANDS: Readonly<Record<string, string>> = {
  pounds: "sterling",
  textsterling: "sterling",
  euro: "euro",
  texteuro: "euro",
  yen: "¥",
  textyen: "¥",
  textdollar: "dollar",
  dollar: "dollar",
  textcent: "cent",
};

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

/** What is written before a unit of the SI. */
const PREFIXES = {
  p: 1e-12,
  n: 1e-9,
  μ: 1e-6,
  µ: 1e-6,
  u: 1e-6,
  m: 1e-3,
  c: 1e-2,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
} as const;

for (const unit of [
  "m",
  "s",
  "g",
  "L",
  "A",
  "V",
  "W",
  "J",
  "N",
  "Pa",
  "Hz",
  "F",
  "C",
  "mol",
  "Ω",
  "ohm",
  "eV",
  "cal",
]) {
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
