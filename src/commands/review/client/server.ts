/** @file What the page asks its server, and what it says of it. */

import type { Decision } from "../../../data/decisions.ts";
import type { Piece } from "../pieces.ts";
import type { Rows } from "../rows.ts";
import { at } from "./browser.ts";

/** What the page gets of a line. */
export type Line = ReturnType<Rows["line"]> & {
  i: number;
  decision: Decision["decision"];
  edited: boolean;
  by: string[];
};

/** What it gets of a whole row. */
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

/** What it gets of a part of the list. */
export type Part = {
  total: number;
  all: number;
  version: number;
  rows: Line[];
  counts: { keep: number; drop: number };
};

/** Ask for something, or send it. Throws an Error with the server's sentence. */
export async function ask<Found>(path: string, sent?: unknown): Promise<Found> {
  const response = await fetch(path, sent === undefined ? {} : { method: "POST", body: JSON.stringify(sent) }).catch(
    () => {
      throw new Error(GONE);
    },
  );
  const found = (await response.json()) as Found & { error?: string };
  if (!response.ok) throw new Error(found.error ?? String(response.status));
  return found;
}

/** What could not be kept, and how many keys did nothing then, until something else is kept. */
let unsaved: string | undefined;
let unheard = 0;

const GONE =
  "the server does not answer. Whatever the page went on from is kept. Start distill review again and open the address that it prints; a text that is being written can be copied from here";

/** Say how it stands, unless something is not saved, which stays. */
export function say(text: string): void {
  if (unsaved !== undefined) return;
  unheard = 0;
  show(text, "");
}

/** Say what went wrong, and how many keys came behind it and did nothing. */
export function complain(error: unknown, keys = 0): void {
  unheard += keys;
  const { message } = error as Error;
  const what = unsaved ?? `${message.charAt(0).toUpperCase()}${message.slice(1).replace(/\.$/, "")}.`;
  show(unheard > 0 ? `${what} Keys that came after it and did nothing: ${unheard}.` : what, "bad");
}

/** Do what keeps something; until another such thing succeeds the page says that it did not. */
export async function keeping<Done>(what: string, work: () => Promise<Done>): Promise<Done> {
  try {
    const done = await work();
    unsaved = undefined;
    unheard = 0;
    return done;
  } catch (error) {
    unsaved = `Not saved: ${what}, since ${(error as Error).message.replace(/\.$/, "")}.`;
    throw error;
  }
}

function show(text: string, className: string): void {
  at("status").textContent = text;
  at("status").className = className;
}
