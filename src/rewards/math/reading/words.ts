/** @file Words and signs that mean something in an answer. */

import type { Relation } from "../tree.ts";

const table = (names: string) => new Set(names.trim().split(/\s+/));

/** Functions of one argument that may stand without brackets: sin x. */
export const PREFIX_FUNCTIONS: ReadonlySet<string> = table(`
  sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh cosh tanh coth sech csch
  arcsinh arccosh arctanh arsinh arcosh artanh tg ctg cis ln log lg exp det Re Im arg deg dim ker`);

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
  LARGE huge Huge tiny scriptsize footnotesize scriptscriptstyle small normalsize mathstrut strut noindent centering bullet checkmark blacksquare square Box qed`);

/** Commands that only dress their argument. */
export const DRESS: ReadonlySet<string> = table(`
  boxed fbox mathbf boldsymbol bold bm mathit mathsf mathtt mathnormal underline underbrace overbrace mathop mathbin mathrel
  mathord ensuremath displaylines framebox pmb smash`);

/** Commands whose argument is words. */
export const TEXT_COMMANDS: ReadonlySet<string> = table(
  "text emph mbox hbox textbf textit textrm textsf texttt textnormal textup textsc mathrm operatorname mathord rm",
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

/** Words around a unit that are part of it. */
export const UNIT_PARTS: ReadonlySet<string> = table("square sq cubic cu per squared cubed");

export const PERCENT_WORDS: ReadonlySet<string> = table("percent pct percentage percents percentages");

export const SCALE_WORDS: Readonly<Record<string, bigint>> = {
  hundred: 100n,
  dozen: 12n,
  thousand: 1_000n,
  million: 1_000_000n,
  billion: 1_000_000_000n,
  trillion: 1_000_000_000_000n,
  lakh: 100_000n,
  crore: 10_000_000n,
  百: 100n,
  千: 1_000n,
  万: 10_000n,
  萬: 10_000n,
  百万: 1_000_000n,
  千万: 10_000_000n,
  亿: 100_000_000n,
  億: 100_000_000n,
  만: 10_000n,
  억: 100_000_000n,
};

/** Short English words, which are no products of letters. */
export const STOP_WORDS: ReadonlySet<string> = table(`
  is it so the are we you has he she not its an to of by for if was but all on at be as do no my our can may had one
  any out get let yes odd nor who how why now too per via due us me am go than then thus`);

/** Short nouns, which are no products of letters after a number. */
export const NOUNS: ReadonlySet<string> = table(`
  men boy boys girl egg eggs cat cats dog dogs cow cows pig pigs hen hens box pen pens car cars toy toys tip tips job jobs
  pie pies bus cup kid kids bag bags jar jars pm am ways`);

/** "and" and "or" in some languages. */
export const JOINTS: Readonly<Record<string, "and" | "or">> = {
  and: "and",
  or: "or",
  et: "and",
  ou: "or",
  und: "and",
  oder: "or",
  и: "and",
  или: "or",
  和: "and",
  与: "and",
  及: "and",
  或: "or",
  或者: "or",
};
