/** @file Whether a program printed what it should. */

export type OutputOptions = {
  /** "text": numbers are compared as they are written; "value": within the tolerance where both are decimal numbers. */
  numbers: "text" | "value";
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
    if (a !== b && !(options.numbers === "value" && sameNumbers(a, b, options.tolerance)))
      return `line ${i + 1} is ${brief(a)}, expected ${brief(b)}`;
  }
  return undefined;
}

function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\n/).map((line) => line.trimEnd());
  while (lines.length > 0 && lines[lines.length - 1] === "") lines.pop();
  return lines;
}

function sameNumbers(a: string, b: string, tolerance: number): boolean {
  const [found, wanted] = [a.trim().split(/\s+/), b.trim().split(/\s+/)];
  return (
    found.length === wanted.length && found.every((word, i) => word === wanted[i] || near(word, wanted[i]!, tolerance))
  );
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
