/**
 * @file The program of the page. Its source is sent as it is, so it sees nothing of this module but types; what it shows of
 * traces it sets as text, never as markup.
 */

import type { Decision } from "../../data/decisions.ts";
import type { Formula } from "./formula.ts";
import type { Piece, TextPiece } from "./pieces.ts";
import type { Rows } from "./rows.ts";

/** What the page gets of a line, and of a whole row. */
export type Line = ReturnType<Rows["line"]> & {
  i: number;
  decision: Decision["decision"];
  edited: boolean;
  by: string[];
};
export type Whole = Line & {
  prompt: Piece[];
  answer: string | null;
  pieces: Piece[];
  completion: string;
  reason: string | null;
  extracted: string | null;
  rewards: Record<string, number | null>;
  decisions: Decision[];
};

/** As much of a browser as is used here. */
type Element = {
  value: string;
  textContent: string | null;
  className: string;
  hidden: boolean;
  open: boolean;
  scrollTop: number;
  clientHeight: number;
  title: string;
  style: { height: string; transform: string };
  focus(): void;
  blur(): void;
  append(...nodes: (Element | string)[]): void;
  replaceChildren(...nodes: (Element | string)[]): void;
  setAttribute(name: string, value: string): void;
  addEventListener(type: string, heard: (event: Event) => void): void;
  querySelectorAll(selector: string): Iterable<Element>;
  matches(selector: string): boolean;
};
type Event = {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  target: Element;
  preventDefault(): void;
};
type Browser = {
  document: {
    activeElement: Element;
    createElement(tag: string): Element;
    createElementNS(space: string, tag: string): Element;
    getElementById(id: string): Element;
    addEventListener(type: string, heard: (event: Event) => void): void;
  };
  localStorage: { getItem(key: string): string | null; setItem(key: string, value: string): void };
  fetch: typeof fetch;
};

/** What the page does. */
export function client(browser: Browser): void {
  const { document, localStorage } = browser;
  const ROW = 44; // pixels, as the page's style has it
  const BLOCK = 100;
  const at = (id: string) => document.getElementById(id);
  const [list, inner, detail, status, reviewer] = [at("list"), at("inner"), at("detail"), at("status"), at("reviewer")];
  const FILTERS = [
    "verdict",
    "accepted",
    "rule",
    "at_most",
    "at_least",
    "shortest",
    "longest",
    "prompt",
    "disagreement",
    "decided",
  ];

  let total = 0;
  let selected = 0;
  let shown: Whole | undefined;
  let version = -1;
  let asking = 0;
  type Block = { coming: Promise<Line[] | undefined>; lines?: Line[] };
  let blocks = new Map<number, Block>();
  /** What was said and is not known to be kept. */
  let unsaved = 0;

  const make = (tag: string, className: string, ...content: (Element | string)[]): Element => {
    const made = document.createElement(tag);
    made.className = className;
    made.append(...content);
    return made;
  };

  const query = () =>
    FILTERS.flatMap((name) => (at(name).value === "" ? [] : [`${name}=${encodeURIComponent(at(name).value)}`])).join(
      "&",
    );

  async function ask<Found>(path: string, sent?: unknown): Promise<Found> {
    const response = await browser.fetch(
      path,
      sent === undefined ? {} : { method: "POST", body: JSON.stringify(sent) },
    );
    const found = (await response.json()) as Found & { error?: string };
    if (!response.ok) throw new Error(found.error ?? String(response.status));
    return found;
  }

  const say = (text: string, bad = false) => {
    status.textContent = text;
    status.className = bad ? "bad" : "";
  };
  const failed = (error: unknown) =>
    say(
      unsaved > 0
        ? `Not saved: ${(error as Error).message}. Say it again once the server is back.`
        : (error as Error).message,
      true,
    );

  /** The lines of a block; asked for once. */
  function load(block: number): Promise<Line[] | undefined> {
    const known = blocks.get(block);
    if (known) return known.coming;
    const mine = blocks;
    const entry: Block = { coming: Promise.resolve(undefined) };
    mine.set(block, entry);
    entry.coming = (async () => {
      type Found = {
        total: number;
        all: number;
        version: number;
        rows: Line[];
        counts: { keep: number; drop: number };
      };
      const found = await ask<Found>(`rows?from=${block * BLOCK}&count=${BLOCK}&${query()}`);
      if (mine !== blocks) return undefined;
      entry.lines = found.rows;
      total = found.total;
      version = found.version;
      inner.style.height = `${total * ROW}px`;
      say(
        `${found.total.toLocaleString()} of ${found.all.toLocaleString()} · kept ${found.counts.keep.toLocaleString()} · dropped ${found.counts.drop.toLocaleString()}`,
      );
      draw();
      return found.rows;
    })();
    return entry.coming;
  }

  function draw(): void {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.min(total, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 5);
    const nodes: Element[] = [];
    for (let n = first; n < last; n++) {
      const block = blocks.get(Math.floor(n / BLOCK));
      if (!block) void load(Math.floor(n / BLOCK)).catch(failed);
      const line = block?.lines?.[n % BLOCK];
      const node = line
        ? make(
            "div",
            `row ${n === selected ? "selected" : ""} ${line.decision ?? ""}`,
            make(
              "span",
              "mark",
              line.decision === "keep" ? "✓" : line.decision === "drop" ? "✗" : line.by.length > 0 ? "·" : " ",
            ),
            make("span", `verdict ${line.verdict ?? ""}`, line.verdict ?? ""),
            make("span", "name", `${line.prompt_id} · ${line.sample} · ${line.tokens}`),
            make("span", "excerpt", line.text),
          )
        : make("div", "row", "…");
      node.style.transform = `translateY(${n * ROW}px)`;
      node.addEventListener("click", () => select(n));
      nodes.push(node);
    }
    inner.replaceChildren(...nodes);
  }

  function select(n: number): void {
    if (total === 0) {
      shown = undefined;
      detail.replaceChildren("Nothing fits.");
      return;
    }
    selected = Math.max(0, Math.min(total - 1, n));
    const top = selected * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    draw();
    void show().catch(failed);
  }

  async function show(): Promise<void> {
    const asked = ++asking;
    const n = selected;
    const line = (await load(Math.floor(n / BLOCK)))?.[n % BLOCK];
    if (!line) return;
    const whole = await ask<Whole>(`row?i=${line.i}`);
    if (asked !== asking) return; // another one was selected meanwhile
    shown = whole;
    detail.replaceChildren(...shownRow(whole));
    detail.scrollTop = 0;
  }

  function shownRow(row: Whole): Element[] {
    const scores = Object.entries(row.rewards).map(
      ([name, score]) => `${name} ${score === null ? "–" : Number(score.toPrecision(3))}`,
    );
    const own = row.decisions.find((one) => one.reviewer === reviewer.value);
    const edited = row.decisions.filter((one) => one.edited !== null).at(-1);
    return [
      make(
        "p",
        "dim",
        [
          `${row.prompt_id}, sample ${row.sample}`,
          `${row.tokens} tokens`,
          row.verdict ?? "",
          row.reason ?? "",
          ...scores,
        ]
          .filter(Boolean)
          .join(" · "),
      ),
      make(
        "p",
        "dim",
        row.answer === null ? "" : `reference ${row.answer}`,
        row.extracted === null ? "" : `  answered ${row.extracted}`,
      ),
      make("div", "prompt", ...row.prompt.map(piece)),
      make("div", "completion", ...row.pieces.map(trimmed).map(piece)),
      ...(edited ? [make("h3", "", `Edited by ${edited.reviewer}`), make("pre", "completion", edited.edited!)] : []),
      ...row.decisions.map((one) =>
        make(
          "p",
          `said ${one.decision ?? ""}`,
          [
            one.reviewer,
            one.decision ?? "",
            one.edited === null ? "" : "edited",
            one.tags.map((tag) => `#${tag}`).join(" "),
            one.note ?? "",
            one.time.slice(0, 16).replace("T", " "),
          ]
            .filter(Boolean)
            .join(" · "),
        ),
      ),
      ...(own ? [] : [make("p", "dim", "You have not decided.")]),
    ];
  }

  /** Without the empty lines that stand between what is drawn in blocks anyway. */
  function trimmed(one: Piece): Piece {
    return one.kind === "text" ? { ...one, text: one.text.replace(/^\n+|\n+$/g, "\n").replace(/^\n/, "") } : one;
  }

  function piece(one: Piece | TextPiece): Element {
    if (one.kind === "reasoning") {
      const folded = make("details", "reasoning", make("summary", "", `Reasoning (r)`), ...one.pieces.map(piece));
      return folded;
    }
    if (one.kind === "code") return make("pre", "code", one.text);
    if (one.kind === "text") return make("span", "text", one.text);
    const drawn = element(one.formula);
    if (one.display) drawn.setAttribute("display", "block");
    drawn.setAttribute("title", one.text);
    return drawn;
  }

  function element([tag, ...content]: Formula): Element {
    const made = document.createElementNS("http://www.w3.org/1998/Math/MathML", tag);
    made.append(...content.map((part) => (typeof part === "string" ? part : element(part))));
    return made;
  }

  /** What this reviewer thinks of the row that is shown, with a change. */
  async function decide(
    change: Partial<Pick<Decision, "decision" | "edited" | "tags" | "note">>,
    step = 0,
  ): Promise<void> {
    const row = shown;
    if (!row) return;
    const own = row.decisions.find((one) => one.reviewer === reviewer.value);
    const { decision = null, edited = null, tags = [], note = null } = own ?? {};
    unsaved++;
    await ask("decide", { i: row.i, reviewer: reviewer.value, decision, edited, tags, note, ...change });
    unsaved--;
    again();
    select(selected + step);
  }

  /** Ask for the list anew, and keep the place. */
  function again(): void {
    blocks = new Map();
    draw();
  }

  async function undo(): Promise<void> {
    const { undone } = await ask<{ undone: string | null }>("undo", { reviewer: reviewer.value });
    again();
    await show();
    say(undone === null ? "Nothing to take back." : `Taken back: ${undone}.`);
  }

  function editing(title: string, text: string, done: (text: string) => Promise<void>): void {
    at("editor").hidden = false;
    at("title").textContent = title;
    at("text").value = text;
    at("text").focus();
    finish = async () => {
      await done(at("text").value);
      closeEditor();
    };
  }
  let finish = async (): Promise<void> => {};
  const closeEditor = () => {
    at("editor").hidden = true;
    document.activeElement.blur();
  };
  const words = (text: string) => [...new Set(text.split(/[\s,#]+/).filter(Boolean))];
  const mine = () => shown?.decisions.find((one) => one.reviewer === reviewer.value);

  const ACTIONS: Record<string, () => unknown> = {
    j: () => select(selected + 1),
    ArrowDown: () => select(selected + 1),
    k: () => select(selected - 1),
    ArrowUp: () => select(selected - 1),
    PageDown: () => select(selected + 20),
    PageUp: () => select(selected - 20),
    Home: () => select(0),
    End: () => select(total - 1),
    y: () => decide({ decision: "keep" }, 1),
    x: () => decide({ decision: "drop" }, 1),
    c: () => decide({ decision: null, edited: null }),
    u: () => undo(),
    e: () =>
      editing("The completion as it should be", mine()?.edited ?? shown?.completion ?? "", (text) =>
        decide({ edited: text === shown?.completion ? null : text, decision: "keep" }),
      ),
    t: () =>
      editing("Tags, with spaces between them", (mine()?.tags ?? []).join(" "), (text) =>
        decide({ tags: words(text) }),
      ),
    n: () => editing("A note", mine()?.note ?? "", (text) => decide({ note: text.trim() || null })),
    r: () => {
      for (const one of detail.querySelectorAll("details")) one.open = !one.open;
    },
    "/": () => at("prompt").focus(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeEditor();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !at("editor").hidden)
      void finish().catch(failed);
    else if (
      !event.target.matches("input, textarea, select") &&
      !event.ctrlKey &&
      !event.metaKey &&
      !event.altKey &&
      event.key in ACTIONS
    ) {
      event.preventDefault();
      void Promise.resolve(ACTIONS[event.key]!()).catch(failed);
    }
  });
  for (const [id, key] of Object.entries({
    keep: "y",
    drop: "x",
    clear: "c",
    undo: "u",
    edit: "e",
    tag: "t",
    note: "n",
    next: "j",
    previous: "k",
  }))
    at(id).addEventListener("click", () => void Promise.resolve(ACTIONS[key]!()).catch(failed));
  at("save").addEventListener("click", () => void finish().catch(failed));
  at("cancel").addEventListener("click", closeEditor);
  for (const name of FILTERS)
    at(name).addEventListener("change", () => {
      blocks = new Map();
      selected = 0;
      list.scrollTop = 0;
      void show().catch(failed);
    });
  list.addEventListener("scroll", draw);
  reviewer.value = localStorage.getItem("reviewer") ?? reviewer.value;
  reviewer.addEventListener("change", () => {
    localStorage.setItem("reviewer", reviewer.value);
    void show().catch(failed);
  });

  /** What others decide meanwhile. */
  async function follow(): Promise<void> {
    const found = await ask<{ version: number }>("version");
    if (found.version === version || unsaved > 0) return;
    version = found.version;
    again();
    if (at("editor").hidden) await show();
  }
  setInterval(() => void follow().catch(failed), 2000);
  void load(0)
    .then(() => select(0))
    .catch(failed);
}
