/** @file Whether a program printed what it should. */

export type OutputOptions = {
  /**
   * "text": numbers are compared as they are written; "decimal": words that are decimal numbers by their exact value;
   * "value": within the tolerance.
   */
  numbers: "text" | "decimal" | "value";
  tolerance: number;
};

/**
 * Why two outputs differ, or undefined. All lines count: trailing whitespace of a line and trailing empty lines do not,
 * anything else missing or too much does.
 */
export function outputDifference(actual: string, expected: string, options: OutputOptions): string | undefined {
  const [found, wanted] = [linesOf(actual), linesOf(expected)];
  for (let i = 0; i < Math.max(found.length, wanted.length); i++) {
    const [a, b] = [found[i], wanted[i]];
    if (a === undefined || b === undefined) return `${found.length} lines, expected ${wanted.length}`;
    if (a !== b && !(options.numbers !== "text" && sameNumbers(a, b, options)))
      return `line ${i + 1} is ${brief(a)}, expected ${brief(b)}`;
  }
  return undefined;
}

function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\n/).map((line) => line.trimEnd());
  while (lines.length > 0 && lines[lines.length - 1] === "") lines.pop();
  return lines;
}

function sameNumbers(a: string, b: string, { numbers, tolerance }: OutputOptions): boolean {
  const [found, wanted] = [a.trim().split(/\s+/), b.trim().split(/\s+/)];
  const equal = (word: string, other: string) =>
    numbers === "decimal"
      ? exactly(word) !== undefined && exactly(word) === exactly(other)
      : near(word, other, tolerance);
  return found.length === wanted.length && found.every((word, i) => word === wanted[i] || equal(word, wanted[i]!));
}

const LARGEST_EXPONENT = 10_000;

/** One text for each decimal number, however it is written: 1.50, +1.5 and 15e-1 are 15e-1. */
function exactly(word: string): string | undefined {
  const [, sign = "", whole = "", fraction = "", power = "0"] =
    /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(word) ?? [];
  if (whole + fraction === "" || Math.abs(Number(power)) > LARGEST_EXPONENT) return undefined;
  const digits = (whole + fraction).replace(/^0+/, "");
  const kept = digits.replace(/0+$/, "");
  if (kept === "") return "0";
  return `${sign === "-" ? "-" : ""}${kept}e${Number(power) - fraction.length + digits.length - kept.length}`;
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const INTEGER = /^[+-]?\d+$/;

/** |a − b| ≤ tolerance · max(1, |b|); integers of any length exactly. */
function near(a: string, b: string, tolerance: number): boolean {
  if (!DECIMAL.test(a) || !DECIMAL.test(b)) return false;
  if (INTEGER.test(a) && INTEGER.test(b)) return BigInt(a.replace("+", "")) === BigInt(b.replace("+", ""));
  return Math.abs(Number(a) - Number(b)) <= tolerance * Math.max(1, Math.abs(Number(b)));
}

const brief = (line: string) => JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}…` : line);
