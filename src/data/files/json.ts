/** @file Rows as JSON: one object a line, or an array of them over any number of lines. */

import { readFileSync, statSync } from "node:fs";
import { JSONParser } from "@streamparser/json";
import { DistillError } from "../../core/errors.ts";
import { parseRow } from "../python-json.ts";
import { isRecord } from "../values.ts";
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
      let found: Found;
      try {
        found = { where, value: parseRow(line) };
      } catch (error) {
        if (read === 0 && isOneObject(path))
          throw new DistillError(
            `${path} is one JSON object over several lines. Expected one object a line, or an array of objects.`,
          );
        const why = `not JSON (${(error as Error).message})`;
        found = { where, value: undefined, fault: `${where}: ${why}. Expected one JSON object a line.` };
      }
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
  const items: unknown[] = [];
  const parser = new JSONParser({ paths: ["$.*"], keepStack: false });
  parser.onValue = ({ value }) => {
    items.push(value);
  };
  let row = 0;
  for await (const { text } of textBlocks(path)) {
    try {
      parser.write(text);
    } catch (error) {
      throw new DistillError(
        `${path} is not an array of JSON objects: behind row ${row + items.length}, ${(error as Error).message}.`,
      );
    }
    for (const value of items.splice(0)) yield { where: `${path}, row ${++row}`, value };
  }
  if (!parser.isEnded)
    throw new DistillError(`${path} is cut: its array of JSON is not closed behind row ${row}. Get it whole.`);
}
