/** @file Curves in a terminal, four dots to a character's height and two to its width. */

import type { Chart } from "../../core/chart.ts";

const ROWS = 5; // characters of a panel's height
const LEFT = 10;

/** Where the dots of a Braille character are, by row and column. */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

/** Panels under each other, of so many columns. */
export const terminalCharts = (charts: readonly Chart[], width: number): string =>
  charts.map((chart) => panel(chart, width)).join("\n\n");

function panel({ title, lines }: Chart, width: number): string {
  const columns = Math.max(10, width - LEFT - 1);
  const points = lines.flatMap(({ points }) => points).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  if (points.length === 0) return title;
  const of = (axis: 0 | 1): [least: number, most: number] => {
    const values = points.map((point) => point[axis]);
    return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  };
  const [[first, last], [least, most]] = [of(0), of(1)];
  const cells = Array.from({ length: ROWS }, () => new Uint8Array(columns));
  const [across, up] = [2 * columns - 1, 4 * ROWS - 1];
  for (const [x, y] of points) {
    const column = Math.round((across * (x - first)) / (last - first || 1));
    const row = up - Math.round((up * (y - least)) / (most - least || 1));
    const of = cells[row >> 2]!;
    of[column >> 1] = of[column >> 1]! | DOTS[row & 3]![column & 1]!;
  }
  const named = lines.map(({ label, points }) => `${label} ${short(points.at(-1)![1])}`).join(", ");
  const drawn = cells.map((row, i) => {
    const label = i === 0 ? short(most) : i === ROWS - 1 ? short(least) : "";
    return `${label.padStart(LEFT)} ${String.fromCharCode(...[...row].map((dots) => 0x2800 + dots))}`;
  });
  return [`${title}: ${named}`, ...drawn, `${"".padStart(LEFT + 1)}${short(first)} … ${short(last)}`].join("\n");
}

const short = (value: number) =>
  value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)
    ? value.toExponential(2)
    : String(Number(value.toPrecision(4)));
