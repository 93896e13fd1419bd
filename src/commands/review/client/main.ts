/** @file The program of the page: what keys and buttons do. */

import type { Decision } from "../../../data/decisions.ts";
import { askBeforeLeaving, at, document, localStorage } from "./browser.ts";
import * as editor from "./editor.ts";
import * as list from "./list.ts";
import { shownRow } from "./row.ts";
import { ask, complain, keeping, say, type Whole } from "./server.ts";

const PAGE = 20; // lines
const FOLLOWED = 2000; // ms between questions for what others decided

const [detail, reviewer] = [at("detail"), at("reviewer")];
let shown: Whole | undefined;

type Action = () => unknown;

/** Done one after the other, so that a key acts on what the one before it left; what fails takes back what waits behind it. */
const waiting: Action[] = [];
let isDoing = false;
async function act(action: Action): Promise<void> {
  waiting.push(action);
  if (isDoing) return;
  isDoing = true;
  for (let next = waiting.shift(); next; next = waiting.shift())
    try {
      await next();
    } catch (error) {
      complain(error, waiting.splice(0).length);
    }
  isDoing = false;
}

async function select(n: number): Promise<void> {
  list.moveTo(n);
  await show();
}

/** Show the selected row. */
async function show(): Promise<void> {
  const line = await list.current();
  if (!line) {
    shown = undefined;
    if (list.length() === 0) detail.replaceChildren("Nothing fits.");
    return;
  }
  shown = await ask<Whole>(`row?i=${line.i}`);
  detail.replaceChildren(...shownRow(shown, reviewer.value));
  detail.scrollTop = 0;
}

const mine = () => shown?.decisions.find((one) => one.reviewer === reviewer.value);

type Change = Partial<Pick<Decision, "decision" | "edited" | "tags" | "note">>;

/** What this reviewer thinks of the row that is shown, with a change; then the row `step` further is shown. */
async function decide(change: Change, step = 0): Promise<void> {
  const row = shown;
  if (!row) return;
  const { decision = null, edited = null, tags = [], note = null } = mine() ?? {};
  const said = { i: row.i, reviewer: reviewer.value, decision, edited, tags, note, ...change };
  await keeping(`what you said of ${row.prompt_id}, sample ${row.sample}`, () => ask("decide", said));
  await refresh(step);
}

/** Show what was changed. A row that no longer fits the filter makes room for the next one. */
async function refresh(step: number): Promise<void> {
  const before = shown?.i;
  list.again();
  const line = await list.current();
  await select(list.place() + (line?.i === before ? step : 0));
}

async function undo(): Promise<void> {
  const { undone } = await keeping("that you take something back", () =>
    ask<{ undone: string | null }>("undo", { reviewer: reviewer.value }),
  );
  list.again();
  await show();
  say(undone === null ? "Nothing to take back." : `Taken back: ${undone}.`);
}

const words = (text: string) => [...new Set(text.split(/[\s,#]+/).filter(Boolean))];
const edit = (text: string): Change => ({ edited: text === shown?.completion ? null : text, decision: "keep" });

const ACTIONS: Record<string, Action> = {
  j: () => select(list.place() + 1),
  ArrowDown: () => select(list.place() + 1),
  k: () => select(list.place() - 1),
  ArrowUp: () => select(list.place() - 1),
  PageDown: () => select(list.place() + PAGE),
  PageUp: () => select(list.place() - PAGE),
  Home: () => select(0),
  End: () => select(list.length() - 1),
  y: () => decide({ decision: "keep" }, 1),
  x: () => decide({ decision: "drop" }, 1),
  c: () => decide({ decision: null, edited: null }),
  u: undo,
  e: () =>
    editor.write("The completion as it should be", mine()?.edited ?? shown?.completion ?? "", (text) =>
      decide(edit(text)),
    ),
  t: () =>
    editor.write("Tags, with spaces between them", (mine()?.tags ?? []).join(" "), (text) =>
      decide({ tags: words(text) }),
    ),
  n: () => editor.write("A note", mine()?.note ?? "", (text) => decide({ note: text.trim() || null })),
  r: () => {
    for (const one of detail.querySelectorAll("details")) one.open = !one.open;
  },
  "/": () => at("prompt").focus(),
};

const BUTTONS = { keep: "y", drop: "x", clear: "c", undo: "u", edit: "e", tag: "t", note: "n", next: "j" };

document.addEventListener("keydown", (event) => {
  const { key, ctrlKey, metaKey, altKey, target } = event;
  if (key === "Escape") editor.close();
  else if (key === "Enter" && (ctrlKey || metaKey) && editor.isOpen()) void act(editor.save);
  else if (!target.matches("input, textarea, select") && !ctrlKey && !metaKey && !altKey && key in ACTIONS) {
    event.preventDefault();
    void act(ACTIONS[key]!);
  }
});
for (const [id, key] of Object.entries({ ...BUTTONS, previous: "k" }))
  at(id).addEventListener("click", () => void act(ACTIONS[key]!));
askBeforeLeaving(editor.isOpen);
at("save").addEventListener("click", () => void act(editor.save));
at("cancel").addEventListener("click", editor.close);

reviewer.value = localStorage.getItem("reviewer") ?? reviewer.value;
reviewer.addEventListener("change", () => {
  localStorage.setItem("reviewer", reviewer.value);
  void act(show);
});

/** What others decide meanwhile. */
async function follow(): Promise<void> {
  const { version } = await ask<{ version: number }>("version");
  if (version === list.version() || isDoing) return;
  list.again();
  if (!editor.isOpen()) await act(show);
}
setInterval(() => void follow().catch(complain), FOLLOWED);

list.follow(
  (n) => void act(() => select(n)),
  () => void act(show),
);
void act(() => select(0));
