/** @file The list of traces: of a hundred thousand only those exist that are seen. */

import { at, make } from "./browser.ts";
import { ask, complain, type Line, type Part, say } from "./server.ts";

const ROW = 44; // pixels, as the page's style has it
const BLOCK = 100; // lines that are asked for at once
const FILTERS = [
  ...["verdict", "accepted", "rule", "at_most", "at_least", "shortest", "longest", "prompt", "disagreement"],
  "decided",
];

type Block = { coming: Promise<Line[] | undefined>; lines?: Line[] };

const [list, inner] = [at("list"), at("inner")];
let blocks = new Map<number, Block>();
let total = 0;
let selected = 0;
let seen = -1;

/** The number of the selected line in the list. */
export const place = (): number => selected;
/** How many lines there are. */
export const length = (): number => total;
/** The version of the decisions that the list was made with. */
export const version = (): number => seen;

/** Ask for the list anew, and keep the place. */
export function again(): void {
  blocks = new Map();
  draw();
}

/** Move to a line, as far as there are any. */
export function moveTo(n: number): void {
  selected = Math.max(0, Math.min(total - 1, n));
  const top = selected * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  draw();
}

/** The selected line; nothing where none fits. */
export async function current(): Promise<Line | undefined> {
  const lines = await load(Math.floor(selected / BLOCK));
  return lines?.[selected % BLOCK];
}

/** Draw what is seen whenever that changes; `choose` is told which line is clicked, `filtered` that others fit. */
export function follow(choose: (n: number) => void, filtered: () => void): void {
  chosen = choose;
  list.addEventListener("scroll", draw);
  for (const name of FILTERS)
    at(name).addEventListener("change", () => {
      blocks = new Map();
      selected = 0;
      list.scrollTop = 0;
      filtered();
    });
}
let chosen = (_: number): void => {};

const query = () =>
  FILTERS.flatMap((name) => (at(name).value === "" ? [] : [`${name}=${encodeURIComponent(at(name).value)}`])).join("&");

/** The lines of a block, asked for once; nothing where the list has changed meanwhile. */
function load(block: number): Promise<Line[] | undefined> {
  const known = blocks.get(block);
  if (known) return known.coming;
  const mine = blocks;
  const entry: Block = { coming: Promise.resolve(undefined) };
  mine.set(block, entry);
  entry.coming = (async () => {
    const found = await ask<Part>(`rows?from=${block * BLOCK}&count=${BLOCK}&${query()}`).catch((error) => {
      mine.delete(block); // it is asked for again
      throw error;
    });
    if (mine !== blocks) return undefined;
    entry.lines = found.rows;
    total = found.total;
    seen = found.version;
    inner.style.height = `${total * ROW}px`;
    const { all, counts } = found;
    say(
      `${total.toLocaleString()} of ${all.toLocaleString()} · kept ${counts.keep.toLocaleString()} · dropped ${counts.drop.toLocaleString()}`,
    );
    draw();
    return found.rows;
  })();
  return entry.coming;
}

function draw(): void {
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
  const last = Math.min(total, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 5);
  const nodes = Array.from({ length: Math.max(0, last - first) }, (_, i) => {
    const n = first + i;
    const block = blocks.get(Math.floor(n / BLOCK));
    if (!block) void load(Math.floor(n / BLOCK)).catch(complain);
    const line = block?.lines?.[n % BLOCK];
    const node = line ? drawn(line, n === selected) : make("div", "row", "…");
    node.style.transform = `translateY(${n * ROW}px)`;
    node.addEventListener("click", () => chosen(n));
    return node;
  });
  inner.replaceChildren(...nodes);
}

const drawn = ({ decision, by, verdict, prompt_id, sample, tokens, text }: Line, isSelected: boolean) =>
  make(
    "div",
    `row ${isSelected ? "selected" : ""} ${decision ?? ""}`,
    make("span", "mark", decision === "keep" ? "✓" : decision === "drop" ? "✗" : by.length > 0 ? "·" : " "),
    make("span", `verdict ${verdict ?? ""}`, verdict ?? ""),
    make("span", "name", `${prompt_id} · ${sample} · ${tokens}`),
    make("span", "excerpt", text),
  );
