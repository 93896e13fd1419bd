/** @file Rows and their summary for a terminal: in colour, or with marks where there is none. */

import type { Piece } from "./pieces.ts";
import type { Summary } from "./summary.ts";

export type TerminalOptions = {
  colour: boolean;
  /** Columns. */
  width: number;
};

/** SGR codes. */
const STYLES = {
  plain: "",
  supervised: "32",
  special: "35",
  "special supervised": "30;42",
  boundary: "33",
  padding: "2",
};
type Style = keyof typeof STYLES;

export function terminalSummary({ lines, histogram }: Summary, { width }: TerminalOptions): string {
  const most = Math.max(...histogram.map(({ count }) => count));
  const labels = histogram.map(({ from, to }) => `${from}–${to}`);
  const label = Math.max(...labels.map(({ length }) => length));
  const room = Math.max(8, Math.min(50, width - label - 24));
  const bars = histogram.map(({ count, fits }, i) => {
    const bar = (fits ? "█" : "░").repeat(Math.ceil((room * count) / most));
    return `  ${labels[i]!.padStart(label)} ${bar}${bar && " "}${count}${fits ? "" : " dropped"}`;
  });
  return [...lines.map(([name, text]) => `${name.padEnd(9)} ${text}`), ...bars].join("\n");
}

/** What colours, or marks, mean. */
export function legend({ colour }: TerminalOptions): string {
  if (!colour) return "«supervised» prompt <special> ── row of the dataset ── ··· padding ↵ newline";
  const named: [string, Style][] = [
    ["supervised", "supervised"],
    ["prompt", "plain"],
    ["<special>", "special"],
    ["<special, supervised>", "special supervised"],
    ["── row of the dataset", "boundary"],
    ["··· padding", "padding"],
  ];
  return named.map(([text, style]) => painted(text, style)).join("  ");
}

const painted = (text: string, style: Style) => (STYLES[style] ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text);

/** The pieces of a row, wrapped. */
export function terminalRow(pieces: readonly Piece[], { colour, width }: TerminalOptions): string {
  const lines: string[] = [];
  let line = "";
  let column = 0;
  const end = () => {
    lines.push(line);
    [line, column] = ["", 0];
  };
  const write = (text: string, style: Style) => {
    let part = "";
    const flush = () => {
      line += colour ? painted(part, style) : part;
      part = "";
    };
    for (const character of text.replaceAll("\t", "→ ")) {
      const size = character === "\n" ? 1 : columns(character);
      if (column + size > width) {
        flush();
        end();
      }
      part += character === "\n" ? "↵" : character;
      column += size;
      if (character !== "\n") continue;
      flush();
      end();
    }
    flush();
  };
  let marked = false;
  const mark = (supervised: boolean) => {
    if (!colour && supervised !== marked) write(supervised ? "«" : "»", "plain");
    marked = supervised;
  };
  for (const piece of pieces) {
    if (piece.kind === "text") {
      mark(piece.supervised);
      write(piece.text, styleOf(piece));
      continue;
    }
    mark(false);
    if (column > 0) end();
    const text =
      piece.kind === "padding"
        ? `··· ${piece.tokens} tokens of padding`
        : `── row ${piece.row} · ${piece.tokens} tokens, ${piece.supervised} supervised `.padEnd(width, "─");
    write(text.slice(0, width), piece.kind);
    end();
  }
  mark(false);
  if (column > 0) end();
  return lines.join("\n");
}

function styleOf({ supervised, special }: { supervised: boolean; special: boolean }): Style {
  if (special) return supervised ? "special supervised" : "special";
  return supervised ? "supervised" : "plain";
}

const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|^\p{Emoji_Presentation}|^[\u{20000}-\u{3ffff}]/u;

/** The columns that a character takes: combining ones none, East Asian ones and emoji two. */
const columns = (character: string) => (/^\p{M}/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1);
