/** @file pass@1 against the tokens that the teacher wrote or read for it, as SVG. */

import type { Interval } from "./pooled.ts";

export type Dot = { label: string; method: string; pass: Interval; tokens: number };

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [720, 420, 56, 24, 24, 48];
const COLORS: Record<string, string> = { sft: "#4269d0", kd: "#e8793a", gkd: "#3a9a5b" };

/** Dots of one method joined, gkd's with the sft that it starts from; `lines` are models that no tokens belong to. Tokens on a logarithmic axis. */
export function picture(dots: readonly Dot[], lines: readonly { label: string; share: number }[]): string {
  const most = 10 ** Math.ceil(Math.log10(Math.max(...dots.map(({ tokens }) => tokens))));
  const least = 10 ** Math.floor(Math.log10(Math.min(...dots.map(({ tokens }) => tokens))));
  const x = (tokens: number) => LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(tokens / least)) / Math.log(most / least);
  const y = (share: number) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share;
  const out: string[] = [];
  const text = (at: [number, number], words: string, rest = "") =>
    out.push(`<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${rest}>${words}</text>`);
  const line = (from: [number, number], to: [number, number], rest: string) =>
    out.push(
      `<line x1="${from[0].toFixed(1)}" y1="${from[1].toFixed(1)}" x2="${to[0].toFixed(1)}" y2="${to[1].toFixed(1)}" ${rest}/>`,
    );

  for (let share = 0; share <= 1; share += 0.2) {
    line([LEFT, y(share)], [WIDTH - RIGHT, y(share)], 'stroke="#ddd"');
    text([LEFT - 8, y(share) + 4], `${Math.round(100 * share)} %`, 'text-anchor="end"');
  }
  for (let power = least; power <= most; power *= 10)
    for (const times of power === most ? [1] : [1, 2, 5]) {
      line([x(power * times), y(0)], [x(power * times), y(0) + 5], 'stroke="#888"');
      text([x(power * times), y(0) + 19], `${(power * times) / 1000} k`, 'text-anchor="middle"');
    }
  text([(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8], "tokens that the teacher wrote or read", 'text-anchor="middle"');
  for (const { label, share } of lines) {
    line([LEFT, y(share)], [WIDTH - RIGHT, y(share)], 'stroke="#888" stroke-dasharray="5 4"');
    text([WIDTH - RIGHT, y(share) - 5], label, 'text-anchor="end" fill="#555"');
  }
  Object.entries(COLORS).forEach(([method, color], i) => {
    const own = dots.filter((dot) => dot.method === method);
    // sft and kd have the same tokens: beside each other, not on each other
    const at = ({ tokens }: Dot) => x(tokens) + (method === "kd" ? 5 : 0);
    const from = method === "gkd" ? dots.filter(({ method }) => method === "sft").slice(0, 1) : [];
    const path = [...from, ...own].map((dot) => `${at(dot).toFixed(1)},${y(dot.pass.mean).toFixed(1)}`).join(" ");
    out.push(`<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>`);
    for (const dot of own) {
      line([at(dot), y(dot.pass.ci95[0])], [at(dot), y(dot.pass.ci95[1])], `stroke="${color}"`);
      out.push(
        `<circle cx="${at(dot).toFixed(1)}" cy="${y(dot.pass.mean).toFixed(1)}" r="4" fill="${color}"><title>${dot.label}</title></circle>`,
      );
    }
    line([LEFT + 16, TOP + 210 + 20 * i], [LEFT + 40, TOP + 210 + 20 * i], `stroke="${color}" stroke-width="3"`);
    text([LEFT + 48, TOP + 214 + 20 * i], NAMES[method]!);
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${out.join("\n")}
</svg>
`;
}

const NAMES: Record<string, string> = {
  sft: "sft on 100, 300, 1,000 traces",
  kd: "kd on the same traces",
  gkd: "sft on 100 traces, then gkd, 20, 40, 100 steps",
};
