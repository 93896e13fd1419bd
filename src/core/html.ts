/** @file Pages that need nothing else, and what stands in them as text. */

import { isMarked, marked } from "./marked.ts";

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** A text as it stands in a page: nothing of it is obeyed, and what would not be seen or would turn its direction is shown by its number. */
export const escaped = (text: string): string => visible(text).replace(/[&<>"']/g, (character) => ESCAPES[character]!);

/** What a terminal or a page would not show, or would obey, as its number; newlines and tabs stay. */
export const visible = (text: string): string =>
  text.replace(
    /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

export type Page = {
  title: string;
  css: string;
  body: string;
  /** What else than inline style it may use, such as "connect-src 'self'"; nothing unless given. */
  policy?: string;
  head?: string;
};

/** A page in light and dark. It may load and run nothing but what its policy names. */
export const htmlDocument = ({ title, css, body, policy = "", head = "" }: Page): string =>
  marked(`${BEGINNING}
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'${policy && `; ${policy}`}">
<meta name="referrer" content="no-referrer">
${head}<title>${escaped(title)}</title>
<style>${COLOURS}${css}</style>
${body}
</html>
`);

const BEGINNING = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">`;

/** Whether a file is such a page as it was written; those of earlier versions have no mark that would say so. */
export const isPage = (content: Uint8Array): boolean => {
  const text = Buffer.from(content).toString("utf8");
  return isMarked(text) ?? text.startsWith(BEGINNING);
};

const COLOURS = `
:root { color-scheme: light dark; --line: light-dark(#d5d8de, #3a3f4b); --dim: light-dark(#5a6070, #9aa1b2);
  --green: light-dark(#2d7a4f, #74c69d); --red: light-dark(#b3121f, #ef8a8f); --blue: light-dark(#2f57b8, #8fb0ff);
  --amber: light-dark(#9a5b00, #e8b04a); --panel: light-dark(#f6f7f9, #1c1f26); --shade: light-dark(#d8f3dc, #1d4028);
  --special: light-dark(#7b2cbf, #d0a2f7); }
body { margin: 2rem auto; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif;
  background: light-dark(#fff, #14161b); color: light-dark(#1c1f26, #e6e8ee); }`;
