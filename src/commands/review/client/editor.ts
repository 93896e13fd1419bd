/** @file The field in which texts are written: an edited completion, tags, a note. */

import { at, document } from "./browser.ts";

let finished = async (_: string): Promise<void> => {};

/** Let a text be written; `done` is told it, and the field stays open where that fails. */
export function write(title: string, text: string, done: (text: string) => Promise<void>): void {
  finished = done;
  at("editor").hidden = false;
  at("title").textContent = title;
  at("text").value = text;
  at("text").focus();
}

export const isOpen = (): boolean => !at("editor").hidden;

/** Take the text. */
export async function save(): Promise<void> {
  await finished(at("text").value);
  close();
}

export function close(): void {
  at("editor").hidden = true;
  document.activeElement.blur();
}
