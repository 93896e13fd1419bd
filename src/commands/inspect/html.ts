/** @file Rows and their summary as one page that needs nothing else. */

import type { Piece } from "./pieces.ts";
import type { Summary } from "./summary.ts";

export type HtmlRow = { title: string; pieces: readonly Piece[] };

export function htmlPage(title: string, { lines, histogram }: Summary, rows: readonly HtmlRow[]): string {
  const most = Math.max(...histogram.map(({ count }) => count));
  const bars = histogram.map(
    ({ from, to, count, fits }) =>
      `<tr><th>${from}–${to}</th><td><span class="bar${fits ? "" : " over"}" style="width:${count && `max(1px, ${((100 * count) / most).toFixed(1)}%)`}"></span></td><td class="count">${count}${fits ? "" : " dropped"}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${CSS}</style>
<h1>${escaped(title)}</h1>
<table class="summary">${lines.map(([name, text]) => `<tr><th>${escaped(name)}</th><td>${escaped(text)}</td></tr>`).join("\n")}</table>
<table class="histogram">${bars.join("\n")}</table>
<p class="legend"><span class="supervised">supervised</span> <span>prompt</span> <span class="special">special</span> <span class="special supervised">special, supervised</span> <span class="padding">padding</span></p>
${rows.map(({ title, pieces }) => `<section><h2>${escaped(title)}</h2>${pieces.map(htmlPiece).join("")}</section>`).join("\n")}
</html>
`;
}

function htmlPiece(piece: Piece): string {
  if (piece.kind === "padding") return `<div class="padding">${piece.tokens} tokens of padding</div>`;
  if (piece.kind === "boundary")
    return `<div class="boundary">row ${piece.row} · ${piece.tokens} tokens, ${piece.supervised} supervised</div>`;
  const classes = [piece.special ? "special" : "", piece.supervised ? "supervised" : ""].filter(Boolean).join(" ");
  const text = escaped(piece.text).replaceAll("\n", '<i class="newline">↵</i>\n');
  return `<span${classes && ` class="${classes}"`}>${text}</span>`;
}

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);

const CSS = `
:root { color-scheme: light dark; --line: light-dark(#d5d8de, #3a3f4b); --green: light-dark(#d8f3dc, #1d4028);
  --special: light-dark(#7b2cbf, #d0a2f7); --dim: light-dark(#6a7080, #8b92a3); }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; margin: 0 0 .5rem; color: var(--dim); }
th { text-align: left; font-weight: 500; padding-right: 1.5rem; color: var(--dim); vertical-align: top; }
.histogram { margin-top: 1rem; width: 100%; } .histogram td:nth-child(2) { width: 80%; }
.histogram th { text-align: right; white-space: nowrap; } .count { padding-left: .5rem; white-space: nowrap; }
.bar { display: inline-block; height: .8em; background: light-dark(#40916c, #74c69d); }
.bar.over { background: light-dark(#c1121f, #ef767a); }
section { margin: 1.5rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.6 ui-monospace, monospace; }
.supervised { background: var(--green); } .special { color: var(--special); font-weight: 600; }
.boundary { margin: .6rem 0 .3rem; border-top: 2px solid #e09f3e; color: #b8791f; }
.padding { color: var(--dim); background: repeating-linear-gradient(45deg, transparent 0 6px, var(--line) 6px 7px); }
.newline { color: var(--dim); font-style: normal; }
.legend span { padding: 0 .4rem; margin-right: .5rem; }`;
