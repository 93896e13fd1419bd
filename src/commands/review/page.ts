/** @file The page of a review. It holds nothing of the traces: its program asks for them. */

import { randomBytes } from "node:crypto";
import { escaped, htmlDocument } from "../../core/html.ts";
import { VERDICTS } from "../../core/trace.ts";
import { PROGRAM } from "./program.ts";

export function reviewPage(title: string, rules: readonly string[], reviewer: string): string {
  const nonce = randomBytes(16).toString("base64");
  const choice = (id: string, label: string, options: Record<string, string>) =>
    `<label>${label}<select id="${id}"><option value="">any</option>${Object.entries(options)
      .map(([value, text]) => `<option value="${escaped(value)}">${escaped(text)}</option>`)
      .join("")}</select></label>`;
  const field = (id: string, label: string, type = "number") =>
    `<label>${label}<input id="${id}" type="${type}"${type === "number" ? ' step="any"' : ""}></label>`;
  const same = (values: readonly string[]) => Object.fromEntries(values.map((value) => [value, value]));
  const body = `<header><h1>${escaped(title)}</h1><span id="status"></span>
<label>reviewer<input id="reviewer" type="text" maxlength="40" value="${escaped(reviewer)}"></label></header>
<details id="filters"><summary>Filter</summary><form>
${choice("verdict", "verdict", same(VERDICTS))}${choice("accepted", "accepted", { yes: "by the rules", no: "not" })}
${choice("rule", "rule", same(rules))}${field("at_least", "score from")}${field("at_most", "score to")}
${field("shortest", "tokens from")}${field("longest", "tokens to")}${field("prompt", "prompt has", "text")}
${choice("disagreement", "disagreement", { people: "between people", rules: "of people and rules", scores: "between rules", samples: "between samples" })}
${choice("decided", "decided", { no: "not yet", any: "by somebody", keep: "kept", drop: "dropped", edited: "edited" })}
</form></details>
<main><div id="list"><div id="inner"></div></div><div id="detail">…</div></main>
<div id="editor" hidden><p id="title"></p><textarea id="text" spellcheck="false"></textarea>
<button id="save">Save <kbd>Ctrl Enter</kbd></button> <button id="cancel">Leave <kbd>Esc</kbd></button></div>
<footer><button id="previous"><kbd>k</kbd> up</button><button id="next"><kbd>j</kbd> down</button>
<button id="keep"><kbd>y</kbd> keep</button><button id="drop"><kbd>x</kbd> drop</button><button id="edit"><kbd>e</kbd> edit</button>
<button id="tag"><kbd>t</kbd> tags</button><button id="note"><kbd>n</kbd> note</button><button id="clear"><kbd>c</kbd> clear</button>
<button id="undo"><kbd>u</kbd> undo</button></footer>
<script type="module" nonce="${nonce}" src="${PROGRAM}"></script>`;
  return htmlDocument({
    title: `Review of ${title}`,
    css: CSS,
    body,
    policy: `script-src 'nonce-${nonce}'; connect-src 'self'; img-src data:`,
    head: '<link rel="icon" href="data:,">\n',
  });
}

const CSS = `
html, body { height: 100%; } body { margin: 0; padding: 0; display: flex; flex-direction: column; }
header, footer, #filters { padding: .4rem .8rem; background: var(--panel); border-bottom: 1px solid var(--line); }
header { position: relative; z-index: 3; display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; } h1 { font-size: 1.05rem; margin: 0; } h3 { font-size: .95rem; }
#status { color: var(--dim); flex: 1; } #status.bad { color: var(--red); font-weight: 600; }
label { font-size: .8rem; color: var(--dim); } label > * { margin-left: .3rem; max-width: 9rem; font: inherit; }
form { display: flex; flex-wrap: wrap; gap: .4rem .9rem; padding-top: .4rem; } summary { cursor: pointer; color: var(--dim); }
main { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(20rem, 2fr) 3fr; }
#list { overflow-y: auto; border-right: 1px solid var(--line); contain: strict; } #inner { position: relative; }
.row { position: absolute; left: 0; right: 0; top: 0; height: 44px; box-sizing: border-box; padding: 2px .6rem; border-bottom: 1px solid var(--line);
  font-size: .8rem; overflow: hidden; white-space: nowrap; cursor: pointer; display: grid; grid-template-columns: 1.2rem 5.5rem 1fr; grid-template-rows: 1fr 1fr; }
.row.selected { background: light-dark(#e3ebff, #263150); } .row .name { color: var(--dim); } .row .mark { grid-row: 1 / 3; font-weight: 700; align-self: center; }
.row .excerpt { grid-column: 2 / 4; overflow: hidden; text-overflow: ellipsis; } .row.keep .mark { color: var(--green); } .row.drop .mark { color: var(--red); }
.verdict:empty { display: none; } .verdict:empty + .name { grid-column: 2 / 4; } .verdict.correct { color: var(--green); } .verdict.incorrect { color: var(--red); } .verdict.truncated, .verdict.unknown, .verdict.infra_error { color: var(--amber); }
#detail { overflow-y: auto; padding: .8rem 1rem; overflow-wrap: anywhere; } .dim { color: var(--dim); font-size: .85rem; margin: 0 0 .4rem; white-space: pre-wrap; }
.prompt { border-left: 3px solid var(--line); padding-left: .7rem; color: var(--dim); margin-bottom: .8rem; } .text { white-space: pre-wrap; }
.reasoning { border: 1px solid var(--line); border-radius: .4rem; padding: .3rem .7rem; margin: .4rem 0; } pre { white-space: pre-wrap; font: 13px/1.5 ui-monospace, monospace; }
.code { background: var(--panel); padding: .5rem .7rem; border-radius: .4rem; } .said { border-top: 1px solid var(--line); padding-top: .3rem; margin: .4rem 0; }
.said.keep { color: var(--green); } .said.drop { color: var(--red); } menclose { border: 1px solid currentColor; padding: 0 .2em; }
footer { border-top: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .4rem; } button { font: inherit; font-size: .85rem; padding: .25rem .6rem; }
kbd { font: 600 12px ui-monospace, monospace; border: 1px solid var(--line); border-radius: .25rem; padding: 0 .25rem; }
#editor { position: fixed; inset: 8vh 5vw; background: var(--panel); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; display: flex; flex-direction: column; gap: .5rem; z-index: 2; }
#editor[hidden] { display: none; } #editor p { margin: 0; } textarea { flex: 1; font: 13px/1.5 ui-monospace, monospace; }
@media (max-width: 700px) { #status { order: 1; flex-basis: 100%; } main { grid-template-columns: 1fr; grid-template-rows: 2fr 3fr; } #list { border-right: 0; border-bottom: 1px solid var(--line); } }`;
