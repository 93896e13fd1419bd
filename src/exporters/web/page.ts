/** @file The page that an export leaves: what it shows, and the two scripts that it loads. */

export type PageSettings = {
  title: string;
  /** In the order in which they are taken where several would do. */
  dtypes: readonly string[];
  system: string | undefined;
  max_new_tokens: number;
};

/** index.html: what is fixed, and the settings for its script. */
export const pageHtml = (settings: PageSettings): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:; style-src 'unsafe-inline'; worker-src 'self' blob:; connect-src 'self' blob: data:; img-src 'self' data:">
<title>${escaped(settings.title)}</title>
<link rel="icon" href="data:,">
<style>${CSS}</style>
<header><h1>${escaped(settings.title)}</h1><span id="state">starting …</span></header>
<progress id="progress" max="1" value="0"></progress>
<main id="talk" aria-live="polite"></main>
<form id="ask">
  <textarea id="question" rows="2" placeholder="Ask something. Enter sends, Shift and Enter begin a line." aria-label="Question"></textarea>
  <div><button id="send" disabled>Send</button><button id="stop" type="button" hidden>Stop</button><button id="new" type="button">New</button>
  <label>temperature <input id="temperature" type="number" min="0" max="2" step="0.1" value="0"></label></div>
</form>
<script id="settings" type="application/json">${JSON.stringify(settings).replaceAll("<", "\\u003c")}</script>
<script type="module" src="chat.js"></script>
</html>
`;

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string) => text.replace(/[&<>"]/g, (character) => ESCAPES[character]!);

const CSS = `
:root { color-scheme: light dark; --line: #8884; --own: #4a7dff22; --dim: #666 }
@media (prefers-color-scheme: dark) { :root { --dim: #999 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 0 auto; padding: 1rem; display: flex; flex-direction: column; min-height: 100vh; box-sizing: border-box }
header { display: flex; align-items: baseline; gap: 1rem; flex-wrap: wrap } h1 { font-size: 1.2rem; margin: 0 }
#state, .facts { color: var(--dim); font-size: .85rem } progress { width: 100%; height: 4px } progress[hidden] { display: none }
main { flex: 1; padding: .5rem 0 } .turn { padding: .6rem .9rem; margin: .6rem 0; border-radius: 10px; border: 1px solid var(--line); overflow-wrap: anywhere }
.user { background: var(--own); white-space: pre-wrap; margin-left: 15% } .answer { white-space: pre-wrap }
details { color: var(--dim); margin-bottom: .4rem } details div { white-space: pre-wrap; font-size: .9rem } summary { cursor: pointer; font-size: .85rem }
form { position: sticky; bottom: 0; background: Canvas; padding: .5rem 0 } textarea { width: 100%; font: inherit; box-sizing: border-box; padding: .5rem; border-radius: 8px; border: 1px solid var(--line) }
form div { display: flex; gap: .5rem; align-items: center } label { margin-left: auto; font-size: .85rem; color: var(--dim) } input { width: 4rem; font: inherit }
button { font: inherit; padding: .25rem .9rem } .failed { color: #c33 }`;
