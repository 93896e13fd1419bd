/** @file Rows as JSON: one object a line, or an array of them over any number of lines. */

import { readFileSync, statSync } from "node:fs";
import { DistillError } from "../../core/errors.ts";
import { parseRow } from "../python-json.ts";
import { isRecord } from "../values.ts";
import { arrayItems } from "./array-items.ts";
import { lineBlocks, textBlocks } from "./bytes.ts";
import type { Found, RowFile } from "./found.ts";

/** Also what a file is taken for whose name says nothing. */
export const json: RowFile = {
  endings: [".jsonl", ".json", ".ndjson"],
  async *rows(path) {
    let array: boolean | undefined;
    for await (const { text } of textBlocks(path)) {
      const first = /\S/.exec(text)?.[0];
      if (first === undefined) continue;
      array = first === "[";
      break;
    }
    yield* array ? itemsOf(path) : linesOf(path);
  },
};

/** Empty lines are passed over; one line is in memory at a time. */
async function* linesOf(path: string): AsyncGenerator<Found> {
  let read = 0;
  for await (const { first, lines } of lineBlocks(path))
    for (const [i, line] of lines.entries()) {
      if (!line.trim()) continue;
      const where = `${path}, line ${first + i}`;
      const found = parsed(where, line, "one JSON object a line");
      if (found.fault !== undefined && read === 0 && isOneObject(path))
        throw new DistillError(
          `${path} is one JSON object over several lines. Expected one object a line, or an array of objects.`,
        );
      read++;
      yield found;
    }
}

/** What is looked at whole, to say what is wrong with it. */
const WHOLE = 16 << 20; // bytes

function isOneObject(path: string): boolean {
  try {
    return statSync(path).size <= WHOLE && isRecord(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return false; // then its first line is what is wrong
  }
}

/** The items of an array, one in memory at a time. */
async function* itemsOf(path: string): AsyncGenerator<Found> {
  const items = arrayItems();
  let row = 0;
  for await (const { text } of textBlocks(path)) {
    let found: string[];
    try {
      found = items.push(text);
    } catch (error) {
      throw new DistillError(
        `${path} is not one array of JSON: behind row ${row}, ${(error as Error).message}. Expected an array of objects, or one object a line.`,
      );
    }
    for (const item of found) {
      const where = `${path}, row ${++row}`;
      yield parsed(where, item, "an array of JSON objects");
    }
  }
  if (!items.ended())
    throw new DistillError(`${path} is cut: its array of JSON is not closed behind row ${row}. Get it whole.`);
}

function parsed(where: string, text: string, expected: string): Found {
  try {
    return { where, value: parseRow(text) };
  } catch (error) {
    const why = `not JSON (${(error as Error).message})`;
    return { where, value: undefined, fault: `${where}: ${why}. Expected ${expected}.` };
  }
}
