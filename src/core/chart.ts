/** @file Lines over a common axis as SVG, panel under panel, in the colours of light or dark pages. */

export type Line = { label: string; points: readonly (readonly [x: number, y: number])[] };
export type Chart = {
  title: string;
  lines: readonly Line[];
  /** Its axis begins below its least value, and not at 0, where differences are looked for. */
  zoomed?: boolean;
};

const [WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM] = [720, 220, 64, 24, 34, 26];
const LINE = 16;
const LETTER = 6.5; // pixels, on average
const COLOURS = 5;
const FEW = 8; // points
const MANY = 3; // lines

/** Words and lines in one colour, marked by class; a picture that stands alone goes by the system's setting. */
const STYLE = `
.chart { font: 12px sans-serif; color-scheme: light dark; }
.chart text { fill: light-dark(#222, #dde); stroke: none; } .chart .dim { fill: light-dark(#555, #99a); font-size: 12px; }
.chart .grid { stroke: light-dark(#ddd, #333845); } .chart .paper { fill: light-dark(#fff, #14161b); }
.chart .halo { paint-order: stroke; stroke: light-dark(#fff, #14161b); stroke-width: 3px; }
.chart .c0 { stroke: light-dark(#4269d0, #8fb0ff); } .chart .c1 { stroke: light-dark(#e8793a, #ffab7a); }
.chart .c2 { stroke: light-dark(#3a9a5b, #74c69d); } .chart .c3 { stroke: light-dark(#9b5fc0, #d0a2f7); }
.chart .c4 { stroke: light-dark(#777, #aaa); } .chart circle { fill: light-dark(#fff, #14161b); }
`;

/**
 * Panels of one width, each with an axis of its own, from 0 or its least value unless it is zoomed; `axis` names what they have
 * in common. A curve of more points than there is room for is drawn by the extremes in each place.
 */
export function chart(charts: readonly Chart[], axis: string, width = WIDTH): string {
  const drawn = charts.map((one) => ({ ...one, lines: one.lines.map((line) => finite(line)) }));
  const [first, last] = rangeOf(drawn.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([x]) => x))));
  const x = (at: number) => LEFT + ((width - LEFT - RIGHT) * (at - first)) / (last - first || 1);
  let height = 0;
  const out = drawn.flatMap((one) => {
    const offset = height;
    height += PANEL + namesAbove(one.lines);
    return panel(one, offset, x, { first, last, width });
  });
  height += 30;
  out.push(text((LEFT + width - RIGHT) / 2, height - 10, axis, 'text-anchor="middle"'));
  return `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<style>${STYLE}</style>
<rect width="100%" height="100%" class="paper"/>
${out.join("\n")}
</svg>
`;
}

/** Where the names of many lines would hide them they stand above: how high. */
const namesAbove = ({ length }: readonly Line[]): number => (length > MANY ? LINE * length : 0);

const finite = ({ label, points }: Line): Line => ({
  label,
  points: points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)),
});

function rangeOf(values: readonly number[]): [least: number, most: number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  return values.length > 0 ? [least, most] : [0, 1];
}

function panel(
  { title, lines, zoomed = false }: Chart,
  offset: number,
  x: (at: number) => number,
  { first, last, width }: { first: number; last: number; width: number },
): string[] {
  const [low, high] = rangeOf(lines.flatMap(({ points }) => points.map(([, y]) => y)));
  const step = niceStep(high - (zoomed ? low : Math.min(0, low)) || 1);
  const least = zoomed ? step * Math.floor(low / step) : Math.min(0, low);
  const most = least + step * Math.ceil((high - least || 1) / step);
  const above = namesAbove(lines);
  const [top, bottom] = [offset + TOP + above, offset + PANEL + above - BOTTOM];
  const y = (value: number) => bottom - ((bottom - top) * (value - least)) / (most - least);
  const out = [text(LEFT, offset + 20, title, 'font-weight="bold"')];
  for (let value = least; value <= most + step / 2; value += step) {
    out.push(line(x(first), y(value), x(last), y(value), 'class="grid"'));
    out.push(text(LEFT - 8, y(value) + 4, shortly(value, step), 'text-anchor="end"'));
  }
  const across = niceStep((last - first || 1) * Math.max(1, 300 / width));
  for (let at = Math.ceil(first / across) * across; at <= last; at += across)
    out.push(text(x(at), bottom + 16, shortly(at, across), 'text-anchor="middle" class="dim"'));
  const late = lines.flatMap(({ points }) =>
    points.filter(([at]) => x(at) > (LEFT + width) / 2).map(([, value]) => y(value)),
  );
  const named = above > 0 ? offset + TOP + LINE - 8 : namesAt(lines.length, late, { top, bottom });
  for (const [i, { label, points }] of lines.entries()) {
    const colour = `c${i % COLOURS}`;
    const path = thinned(points, width)
      .map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`)
      .join(" ");
    out.push(`<polyline points="${path}" fill="none" class="${colour}" stroke-width="1.5"/>`);
    // few points are measurements, and a line of one would not be seen
    if (points.length <= FEW)
      for (const [at, value] of points)
        out.push(
          `<circle cx="${x(at).toFixed(1)}" cy="${y(value).toFixed(1)}" r="2.5" class="${colour}" stroke-width="2"/>`,
        );
    if (lines.length === 1 && LETTER * (title.length + label.length + 3) < width - LEFT - RIGHT)
      out.push(text(width - RIGHT, offset + 20, label, 'text-anchor="end" class="dim"'));
    else {
      const at = named + LINE * i;
      out.push(text(width - RIGHT - 36, at, label, 'text-anchor="end" class="halo"'));
      out.push(line(width - RIGHT - 30, at - 4, width - RIGHT - 8, at - 4, `class="${colour}" stroke-width="3"`));
    }
  }
  return out;
}

type Point = Line["points"][number];

/** Where the first of so many names stands: at the bottom, in the middle or at the top, wherever the fewest points are behind them. */
function namesAt(count: number, behind: readonly number[], { top, bottom }: Record<"top" | "bottom", number>): number {
  const tall = LINE * count;
  const places = [bottom - tall, (top + bottom - tall) / 2, top].map((from) => ({
    from,
    hidden: behind.filter((y) => y > from - 4 && y <= from + tall).length,
  }));
  return places.reduce((best, place) => (place.hidden < best.hidden ? place : best)).from + LINE - 6;
}

/** The least and the greatest point of each of `places` stretches, in their order. */
function thinned(points: readonly Point[], places: number): readonly Point[] {
  if (points.length <= 2 * places) return points;
  const size = points.length / places;
  return Array.from({ length: places }, (_, i) => {
    const some = points.slice(Math.floor(i * size), Math.floor((i + 1) * size));
    const least = some.reduce((a, b) => (b[1] < a[1] ? b : a));
    const most = some.reduce((a, b) => (b[1] > a[1] ? b : a));
    return least === most ? [least] : least[0] < most[0] ? [least, most] : [most, least];
  }).flat();
}

/** A number of an axis whose steps are so large. */
function shortly(value: number, step: number): string {
  const exact = Number((Math.round(value / step) * step).toPrecision(6));
  if (exact !== 0 && step < 1e-3) return exact.toExponential(1).replace(".0e", "e").replace("e-", "e−");
  return Math.abs(exact) >= 10_000 ? `${Number((exact / 1000).toPrecision(6))}k` : String(exact);
}

/** A step of 1, 2 or 5 times a power of ten, of which `range` has four to ten. */
function niceStep(range: number): number {
  const power = 10 ** Math.floor(Math.log10(range / 4));
  return power * [1, 2, 5].findLast((times) => times * power <= range / 4)!;
}

const number = (x: number) => x.toFixed(1);

const line = (x1: number, y1: number, x2: number, y2: number, rest: string) =>
  `<line x1="${number(x1)}" y1="${number(y1)}" x2="${number(x2)}" y2="${number(y2)}" ${rest}/>`;

const text = (x: number, y: number, words: string, rest = "") =>
  `<text x="${number(x)}" y="${number(y)}" ${rest}>${words.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>`;
