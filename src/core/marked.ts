/** @file Texts that know whether they are what was written: their last line is a comment with the hash of the others. */

import { contentHash } from "./hash.ts";

/** HTML or Markdown with its mark. */
export const marked = (text: string): string => {
  const written = text.toWellFormed(); // what UTF-8 cannot say is not what will be read
  return `${written}<!-- distill ${contentHash(written)} -->\n`;
};

/** Whether a text is as it was marked; undefined where it has no mark. */
export function isMarked(text: string): boolean | undefined {
  const start = text.lastIndexOf("<!-- distill ");
  return start < 0 ? undefined : text === marked(text.slice(0, start));
}
