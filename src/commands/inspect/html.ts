/** @file Rows and their summary as one page that needs nothing else. */

import { escaped, htmlDocument } from "../../core/html.ts";
import type { Piece } from "./pieces.ts";
import type { Summary } from "./summary.ts";

export type HtmlRow = { title: string; pieces: readonly Piece[] };

export function htmlPage(title: string, { lines, histogram }: Summary, rows: readonly HtmlRow[]): string {
  const most = Math.max(...histogram.map(({ count }) => count));
  const bars = histogram.map(
    ({ from, to, count, fits }) =>
      `<tr><th>${from}–${to}</th><td><span class="bar${fits ? "" : " over"}" style="width:${count && `max(1px, ${((100 * count) / most).toFixed(1)}%)`}"></span></td><td class="count">${count}${fits ? "" : " dropped"}</td></tr>`,
  );
  const body = `<h1>${escaped(title)}</h1>
<table class="summary">${lines.map(([name, text]) => `<tr><th>${escaped(name)}</th><td>${escaped(text)}</td></tr>`).join("\n")}</table>
<table class="histogram">${bars.join("\n")}</table>
<p class="legend"><span class="supervised">supervised</span> <span>prompt</span> <span class="special">special</span> <span class="special supervised">special, supervised</span> <span class="padding">padding</span></p>
${rows.map(({ title, pieces }) => `<section><h2>${escaped(title)}</h2>${pieces.map(htmlPiece).join("")}</section>`).join("\n")}`;
  return htmlDocument({ title, css: CSS, body });
}

function htmlPiece(piece: Piece): string {
  if (piece.kind === "padding") return `<div class="padding">${piece.tokens} tokens of padding</div>`;
  if (piece.kind === "boundary")
    return `<div class="boundary">row ${piece.row} · ${piece.tokens} tokens, ${piece.supervised} supervised</div>`;
  const classes = [piece.special ? "special" : "", piece.supervised ? "supervised" : ""].filter(Boolean).join(" ");
  const text = escaped(piece.text).replaceAll("\n", '<i class="newline">↵</i>\n');
  return `<span${classes && ` class="${classes}"`}>${text}</span>`;
}

const CSS = `
body { max-width: 70rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; margin: 0 0 .5rem; color: var(--dim); }
th { text-align: left; font-weight: 500; padding-right: 1.5rem; color: var(--dim); vertical-align: top; }
.histogram { margin-top: 1rem; width: 100%; } .histogram td:nth-child(2) { width: 80%; }
.histogram th { text-align: right; white-space: nowrap; } .count { padding-left: .5rem; white-space: nowrap; }
.bar { display: inline-block; height: .8em; background: light-dark(#40916c, #74c69d); }
.bar.over { background: light-dark(#c1121f, #ef767a); }
section { margin: 1.5rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.6 ui-monospace, monospace; }
.supervised { background: var(--shade); } .special { color: var(--special); font-weight: 600; }
.boundary { margin: .6rem 0 .3rem; border-top: 2px solid #e09f3e; color: #b8791f; }
.padding { color: var(--dim); background: repeating-linear-gradient(45deg, transparent 0 6px, var(--line) 6px 7px); }
.newline { color: var(--dim); font-style: normal; }
.legend span { padding: 0 .4rem; margin-right: .5rem; }`;
