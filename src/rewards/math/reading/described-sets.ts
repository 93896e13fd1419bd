/** @file Sets of real numbers that are described in words or with ℝ. */

const REALS =
  "(?:for |the set of )?(?:all|any|every) (?:real numbers?|real values?|reals|real)(?: (?:of )?[a-z](?![a-z]))?";
const EXCEPTIONS =
  "except(?: for)?|other than|excluding|besides|but(?: not)?|not equal to|that (?:is|are) not|different from|apart from|without|\\\\neq?|≠";
const ALL_REALS = new RegExp(
  `^(?:[a-z] (?:\\\\in|∈|is|can be|in) )?(?:${REALS}|\\\\mathbb ?\\{?R\\}?|ℝ)(?:,? ?(${EXCEPTIONS}|such that|with|where|for which) ?(.+))?$`,
  "i",
);
/** How numbers compare with another, in words. */
const COMPARED: readonly (readonly [RegExp, string])[] = [
  [
    /^(?:that are )?(?:greater|larger|more|bigger) than or equal to |^(?:that are )?at least |^(?:that are )?not less than /i,
    "\\ge",
  ],
  [
    /^(?:that are )?(?:less|smaller) than or equal to |^(?:that are )?at most |^(?:that are )?not (?:greater|more) than /i,
    "\\le",
  ],
  [/^(?:that are )?(?:greater|larger|more|bigger) than /i, ">"],
  [/^(?:that are )?(?:less|smaller) than /i, "<"],
];
const SIGNED: Readonly<Record<string, string>> = {
  positive: "x > 0",
  negative: "x < 0",
  nonnegative: "x \\ge 0",
  nonpositive: "x \\le 0",
  nonzero: "x \\ne 0",
};
/** ℝ with a sign: ℝ⁺ has no zero. */
const HALVES: readonly (readonly [RegExp, string])[] = [
  [/^(?:\^ ?\{?\+\}?|_ ?\{? ?> ?0 ?\}?|⁺)$/, "x > 0"],
  [/^(?:\^ ?\{?-\}?|_ ?\{? ?< ?0 ?\}?|⁻)$/, "x < 0"],
  [/^_ ?\{? ?(?:\\g(?:e|eq|eqslant)|≥) ?0 ?\}?$/, "x \\ge 0"],
  [/^_ ?\{? ?(?:\\l(?:e|eq|eqslant)|≤) ?0 ?\}?$/, "x \\le 0"],
  [/^(?:\^ ?\{?(?:\*|\\ast|\\times)\}?|_ ?\{? ?(?:\\neq?|≠) ?0 ?\}?)$/, "x \\ne 0"],
];

/** "All real numbers except 2" as a set, in LaTeX. */
export function describedNumbers(text: string): string | undefined {
  if (!/real|ℝ|mathbb|实数/.test(text) || text.length > 400) return undefined;
  if (/^(?:\\text\{)?(?:全体|一切|任意|所有)实数\}?$/.test(text)) return "\\mathbb{R}";
  const plain = text
    .replace(/\\(?:text|mathrm|mbox|textrm)\s?\{([^{}]*)\}/g, " $1 ")
    .replace(/\\[,;: ]|\$|\s+/g, " ")
    .replace(/ {2,}/g, " ")
    .trim();
  return half(plain) ?? compared(plain) ?? exceptions(plain);
}

/** ℝ⁺, "all positive real numbers" */
function half(plain: string): string | undefined {
  const [, sign] =
    /^(?:[a-z] (?:\\in|∈|is) )?(?:the set of )?(?:all |any )?(non-?negative|non-?positive|non-?zero|positive|negative) (?:real numbers?|reals)$/i.exec(
      plain,
    ) ?? [];
  if (sign) return `\\{x \\mid ${SIGNED[sign.toLowerCase().replace("-", "")]}\\}`;
  const [, marks] = /^(?:[a-z] ?(?:\\in|∈) ?)?(?:\\mathbb ?\{?R\}?|ℝ) ?(\S.*)$/.exec(plain) ?? [];
  const found = marks === undefined ? undefined : HALVES.find(([pattern]) => pattern.test(marks));
  return found && `\\{x \\mid ${found[1]}\\}`;
}

/** "All real numbers greater than 2" */
function compared(plain: string): string | undefined {
  const [found, rest] = new RegExp(`^${REALS} (.+)$`, "i").exec(plain) ?? [];
  const how = found === undefined ? undefined : COMPARED.find(([pattern]) => pattern.test(rest!));
  return how && `x ${how[1]} ${rest!.replace(how[0], "")}`;
}

function exceptions(plain: string): string | undefined {
  const [found, how, rest] = ALL_REALS.exec(plain) ?? [];
  if (found === undefined) return undefined;
  if (how === undefined || rest === undefined) return "\\mathbb{R}";
  if (/^(?:such|with|where|for)/i.test(how))
    return `\\{x \\mid ${rest.replace(/\b[a-z]\b(?=\s*(?:[<>=≤≥≠]|\\[lgn]e))/g, "x")}\\}`;
  return `\\mathbb{R} \\setminus \\{${rest.replace(/\band\b/g, ",").replace(/(?:^|(?<=,))\s*(?:when |where |for )?[a-z]\s*=\s*/g, "")}\\}`;
}
