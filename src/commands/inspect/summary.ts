/** @file What a dataset comes to as rows of tokens. */

import type { Examples } from "../../data/examples.ts";
import { describeFindings } from "../../data/findings.ts";
import type { PackedRow } from "../../data/packing.ts";

export type Summary = {
  /** What is said in words, by its name. */
  lines: [name: string, text: string][];
  /** How many examples have from `from` to `to` tokens; `fits` says whether they go into a row. */
  histogram: { from: number; to: number; count: number; fits: boolean }[];
};

/** Of rows of `length` tokens. */
export function summarise(
  { name, rows, segments, dropped, findings }: Examples,
  packed: readonly PackedRow[],
  length: number,
  rendering: string,
): Summary {
  const sum = (numbers: Int32Array) => numbers.reduce((a, b) => a + b, 0);
  const [tokens, supervised] = [sum(segments.lengths), sum(segments.supervised)];
  const lengths = new Int32Array(segments.length + dropped.length);
  lengths.set(segments.lengths);
  lengths.set(dropped.lengths, segments.length);
  lengths.sort();
  const at = (share: number) => count(lengths[Math.min(lengths.length - 1, Math.floor(share * lengths.length))]!);
  const examples = segments.length + dropped.length;
  const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
  return {
    lines: [
      ["dataset", name],
      ["template", rendering],
      ["rows", count(rows) + (examples === rows ? "" : `, which make ${count(examples)} examples`)],
      ["dropped", `${count(dropped.length)} longer than ${count(length)} tokens`],
      ...describeFindings("it", findings).map((line): [string, string] => ["beside", line]),
      ["tokens", `${count(tokens)}, of which ${count(supervised)} are supervised (${percent(supervised, tokens)})`],
      [
        "packing",
        `${count(packed.length)} ${packed.length === 1 ? "row" : "rows"} of ${count(length)} tokens, ${percent(tokens, packed.length * length)} filled; ${(segments.length / packed.length).toFixed(1)} examples in a row`,
      ],
      ["lengths", `${at(0)} to ${at(1)} tokens, median ${at(0.5)}, 95 % up to ${at(0.95)}`],
    ],
    histogram: histogramOf(lengths, length),
  };
}

const count = (n: number) => n.toLocaleString("en-US");

const BARS = 12; // at most

function histogramOf(lengths: Int32Array, length: number): Summary["histogram"] {
  const largest = lengths.at(-1)!;
  const step = niceStep(Math.min(largest, length) / (BARS - 1));
  const bars = Array.from({ length: Math.floor(Math.min(largest, length) / step) + 1 }, (_, i) => ({
    from: i * step,
    to: Math.min((i + 1) * step - 1, length),
    count: 0,
    fits: true,
  }));
  for (const tokens of lengths) if (tokens <= length) bars[Math.floor(tokens / step)]!.count++;
  while (bars[0]!.count === 0 && bars.length > 1) bars.shift();
  const over = lengths.filter((tokens) => tokens > length).length;
  return over > 0 ? [...bars, { from: length + 1, to: largest, count: over, fits: false }] : bars;
}

/** 1, 2 or 5 times a power of ten, not less than `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least)!;
}
