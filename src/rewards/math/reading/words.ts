/** @file Words and signs that mean something in an answer. */

import type { Relation } from "../tree.ts";

const table = (names: string) => new Set(names.trim().split(/\s+/));

/** Functions of one argument that may stand without brackets: sin x. */
export const PREFIX_FUNCTIONS: ReadonlySet<string> = table(`
  sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh cosh tanh coth sech csch
  arcsinh arccosh arctanh ln log lg exp det Re Im arg deg dim ker`);

/** Functions whose arguments stand in brackets. */
export const BRACKET_FUNCTIONS: ReadonlySet<string> = table(`
  sqrt cbrt abs floor ceil ceiling binomial binom comb min max gcd lcm sgn sign factorial sup inf lim`);

export const GREEK: ReadonlySet<string> = table(`
  alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
  Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega`);

/** Names of the sets of numbers and other symbols that words stand for. */
export const NAMED: Readonly<Record<string, string>> = {
  infinity: "oo",
  infty: "oo",
  oo: "oo",
  varepsilon: "epsilon",
  vartheta: "theta",
  varphi: "phi",
  varrho: "rho",
  varsigma: "sigma",
  imath: "i",
  emptyset: "emptyset",
  varnothing: "emptyset",
  hbar: "hbar",
  ell: "ell",
  partial: "partial",
  nabla: "nabla",
  aleph: "aleph",
};

export const RELATIONS: Readonly<Record<string, Relation>> = {
  "=": "=",
  "==": "=",
  ":=": "=",
  eq: "=",
  "!=": "!=",
  "<>": "!=",
  "≠": "!=",
  ne: "!=",
  neq: "!=",
  "<": "<",
  lt: "<",
  ">": ">",
  gt: ">",
  "<=": "<=",
  "=<": "<=",
  "≤": "<=",
  "⩽": "<=",
  le: "<=",
  leq: "<=",
  leqslant: "<=",
  leqq: "<=",
  ">=": ">=",
  "≥": ">=",
  "⩾": ">=",
  ge: ">=",
  geq: ">=",
  geqslant: ">=",
  geqq: ">=",
  "≈": "~",
  "≅": "~",
  "∼": "~",
  approx: "~",
  approxeq: "~",
  simeq: "~",
  sim: "~",
  "∈": "in",
  in: "in",
  "≡": "equiv",
  equiv: "equiv",
  ":": ":",
  "∶": ":",
  colon: ":",
  to: "->",
  rightarrow: "->",
  "→": "->",
};

/** Commands of layout, which say nothing. */
export const LAYOUT: ReadonlySet<string> = table(`
  left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr middle displaystyle textstyle scriptstyle
  limits nolimits quad qquad thinspace enspace hfill hskip space nonumber null relax rm bf it sf tt cal large Large
  small normalsize mathstrut strut noindent centering bullet checkmark blacksquare square Box qed`);

/** Commands that only dress their argument. */
export const DRESS: ReadonlySet<string> = table(`
  boxed fbox mathbf boldsymbol bm mathit mathsf mathtt mathnormal underline cancel bcancel mathop mathbin mathrel
  mathord ensuremath displaylines emph framebox pmb smash`);

/** Commands whose argument is words. */
export const TEXT_COMMANDS: ReadonlySet<string> = table(
  "text mbox hbox textbf textit textrm textsf texttt textnormal textup textsc mathrm operatorname mathord rm",
);

/** Accents, which make another symbol of their argument. */
export const ACCENTS: Readonly<Record<string, string>> = {
  overline: "bar",
  bar: "bar",
  vec: "vec",
  overrightarrow: "vec",
  overleftrightarrow: "line",
  hat: "hat",
  widehat: "hat",
  tilde: "tilde",
  widetilde: "tilde",
  dot: "dot",
  ddot: "ddot",
  overarc: "arc",
  overset: "overset",
  mathbb: "bb",
  mathcal: "cal",
  mathscr: "cal",
  mathfrak: "frak",
};

/** What a unit measures, and how many of its base unit it holds. */
export type Unit = { dimension: string; factor: number };

const UNIT_FAMILIES: Record<string, [number, string][]> = {
  length: [
    [1e-9, "nm nanometer nanometers"],
    [1e-6, "μm um micrometer micrometers micron microns"],
    [0.001, "mm millimeter millimeters millimetre millimetres"],
    [0.01, "cm centimeter centimeters centimetre centimetres"],
    [0.1, "dm decimeter decimeters"],
    [1, "m meter meters metre metres"],
    [1000, "km kilometer kilometers kilometre kilometres"],
    [0.0254, "in inch inches"],
    [0.3048, "ft foot feet"],
    [0.9144, "yd yard yards"],
    [1609.344, "mi mile miles"],
  ],
  time: [
    [0.001, "ms millisecond milliseconds"],
    [1, "s sec secs second seconds"],
    [60, "min mins minute minutes"],
    [3600, "h hr hrs hour hours"],
    [86_400, "day days"],
    [604_800, "wk week weeks"],
    [2_629_800, "month months"],
    [31_557_600, "yr yrs year years"],
  ],
  mass: [
    [1e-6, "mg milligram milligrams"],
    [0.001, "g gram grams"],
    [1, "kg kilogram kilograms"],
    [1000, "ton tons tonne tonnes"],
    [0.0283495, "oz ounce ounces"],
    [0.453592, "lb lbs pound pounds"],
  ],
  volume: [
    [0.001, "ml mL milliliter milliliters millilitre millilitres"],
    [1, "l L liter liters litre litres"],
    [3.785_411_784, "gal gallon gallons"],
    [0.473_176, "pint pints"],
    [0.946_353, "quart quarts"],
    [0.236_588, "cup cups"],
  ],
  angle: [
    [1, "degree degrees deg °"],
    [57.295_779_513_082_32, "rad rads radian radians"],
  ],
  money: [
    [1, "dollar dollars USD usd bucks"],
    [0.01, "cent cents"],
  ],
};

/** Units by name. Those of other currencies, counts and sciences measure only themselves. */
export const UNITS: ReadonlyMap<string, Unit> = new Map([
  ...Object.entries(UNIT_FAMILIES).flatMap(([dimension, sizes]) =>
    sizes.flatMap(([factor, names]) => names.split(" ").map((name): [string, Unit] => [name, { dimension, factor }])),
  ),
  ...[
    "mph kph",
    "euro euros EUR",
    "yuan RMB CNY",
    "yen JPY",
    "rupee rupees INR",
    "GBP",
    "N newton newtons",
    "kN",
    "J joule joules",
    "kJ",
    "W watt watts",
    "kW",
    "kWh",
    "V volt volts",
    "A amp amps ampere amperes",
    "Hz hertz",
    "kHz",
    "MHz",
    "GHz",
    "Pa pascal pascals",
    "kPa",
    "MPa",
    "K kelvin kelvins",
    "mol mole moles",
    "C coulomb coulombs",
    "T tesla",
    "eV",
    "MeV",
    "GeV",
    "ohm ohms Ω",
    "atm",
    "unit units",
    "acre acres",
    "rpm",
  ].flatMap((names) => {
    const [first, ...others] = names.split(" ");
    return [first!, ...others].map((name): [string, Unit] => [name, { dimension: first!, factor: 1 }]);
  }),
]);

/** Words around a unit that are part of it. */
export const UNIT_PARTS: ReadonlySet<string> = table("square sq cubic cu per squared cubed");

export const PERCENT_WORDS: ReadonlySet<string> = table("percent pct percentage percents");

export const NUMBER_WORDS: Readonly<Record<string, number>> = Object.fromEntries(
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
    .split(" ")
    .map((word, value) => [word, value]),
);

export const SCALE_WORDS: Readonly<Record<string, bigint>> = {
  hundred: 100n,
  thousand: 1_000n,
  million: 1_000_000n,
  billion: 1_000_000_000n,
  trillion: 1_000_000_000_000n,
};

/** Short English words, which are no products of letters. */
export const STOP_WORDS: ReadonlySet<string> = table(`
  is it so the are we you has he she not its an to of by for if was but all on at be as do no my our can may had one
  any out get let yes nor who how why now too per via due us me am go than then thus`);
