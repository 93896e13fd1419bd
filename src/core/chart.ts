/** @file Lines over a common axis as SVG, panel under panel. */

export type Line = { label: string; points: readonly (readonly [x: number, y: number])[] };
export type Chart = { title: string; lines: readonly Line[] };

const [WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM] = [720, 220, 64, 24, 34, 26];
const LINE = 16;
const COLORS = ["#4269d0", "#e8793a", "#3a9a5b", "#9b5fc0", "#888"];

/** Panels of one width, each with an axis of its own from 0 or its least value; `axis` names what they have in common. */
export function chart(charts: readonly Chart[], axis: string): string {
  const all = charts.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([x]) => x)));
  const [first, last] = [Math.min(...all), Math.max(...all)];
  const x = (at: number) => LEFT + ((WIDTH - LEFT - RIGHT) * (at - first)) / (last - first || 1);
  const height = PANEL * charts.length + 30;
  const out = charts.flatMap((one, i) => panel(one, i * PANEL, x, { first, last }));
  out.push(text((LEFT + WIDTH - RIGHT) / 2, height - 10, axis, 'text-anchor="middle"'));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${out.join("\n")}
</svg>
`;
}

function panel(
  { title, lines }: Chart,
  offset: number,
  x: (at: number) => number,
  { first, last }: { first: number; last: number },
): string[] {
  const values = lines.flatMap(({ points }) => points.map(([, y]) => y));
  const least = Math.min(0, ...values);
  const step = niceStep(Math.max(...values) - least || 1);
  const most = least + step * Math.ceil((Math.max(...values) - least || 1) / step);
  const [top, bottom] = [offset + TOP, offset + PANEL - BOTTOM];
  const y = (value: number) => bottom - ((bottom - top) * (value - least)) / (most - least);
  const out = [text(LEFT, offset + 20, title, 'font-weight="bold"')];
  for (let value = least; value <= most + step / 2; value += step) {
    out.push(line(x(first), y(value), x(last), y(value), 'stroke="#ddd"'));
    out.push(text(LEFT - 8, y(value) + 4, String(Number(value.toPrecision(6))), 'text-anchor="end"'));
  }
  const across = niceStep(last - first || 1);
  for (let at = Math.ceil(first / across) * across; at <= last; at += across)
    out.push(text(x(at), bottom + 16, String(at), 'text-anchor="middle" fill="#555"'));
  for (const [i, { label, points }] of lines.entries()) {
    const color = COLORS[i % COLORS.length]!;
    const path = points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    out.push(`<polyline points="${path}" fill="none" stroke="${color}" stroke-width="1.5"/>`);
    // a line of one point would not be seen
    if (points.length === 1) {
      const [[at, value]] = points as [readonly [number, number]];
      out.push(`<circle cx="${number(x(at))}" cy="${number(y(value))}" r="3" fill="${color}"/>`);
    }
    // named where curves that rise leave room
    const named = bottom - 10 - LINE * (lines.length - 1 - i);
    out.push(
      text(WIDTH - RIGHT - 36, named, label, 'text-anchor="end" paint-order="stroke" stroke="#fff" stroke-width="3"'),
    );
    out.push(line(WIDTH - RIGHT - 30, named - 4, WIDTH - RIGHT - 8, named - 4, `stroke="${color}" stroke-width="3"`));
  }
  return out;
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
