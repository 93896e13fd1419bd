/** @file Rows as JSON: one object a line, or an array of them over any number of lines. */

import { statSync } from "node:fs";
import { DistillError } from "../../core/errors.ts";
import { DEPTH_LIMIT } from "../../core/reading.ts";
import { readFile } from "../../core/streams.ts";
import { parseRow } from "../python-json.ts";
import { isRecord, rowsUnder, under } from "../values.ts";
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
      if (found.fault !== undefined && read === 0) requireLines(path, line);
      read++;
      yield found;
    }
}

/** What is looked at whole, to say what is wrong with it. */
const WHOLE = 16 << 20; // bytes

/** Throw where the first line of a file is part of an object that goes on. */
function requireLines(path: string, line: string): void {
  if (statSync(path).size <= Buffer.byteLength(line) + 2) return; // a line that was cut, or is too deep
  const expected = "Expected one object a line, or an array of objects";
  const object = oneObject(path);
  const key = object && rowsUnder(object);
  if (key !== undefined) throw new DistillError(`${path} is one JSON object over several lines, with ${under(key)}.`);
  if (object) throw new DistillError(`${path} is one JSON object over several lines. ${expected}.`);
  if (/^\s*\{\s*("[^"]*"\s*:.*[{[,])?\s*$/.test(line))
    throw new DistillError(`${path} has JSON objects over several lines. ${expected}; jq -c . writes one a line.`);
}

function oneObject(path: string): Record<string, unknown> | undefined {
  try {
    const value = statSync(path).size <= WHOLE ? JSON.parse(readFile(path).toString("utf8")) : undefined;
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined; // then its first line is what is wrong
  }
}

/** What Python writes and JSON does not know. */
const CURES: readonly (readonly [RegExp, string])[] = [
  [/^\s*[[{]\s*[[{]?\s*'/, "This is Python's way to print an object: write it with json.dumps"],
  [/[:[,]\s*-?(?:NaN|Infinity)\b/, "JSON has no NaN and no Infinity: write null in their place"],
];

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
    const value = parseRow(text);
    if (!isDeeper(value, DEPTH_LIMIT)) return { where, value };
    return { where, value: undefined, fault: `${where}: its values are nested more than ${DEPTH_LIMIT} deep.` };
  } catch (error) {
    const why = `not JSON (${(error as Error).message})`;
    return {
      where,
      value: undefined,
      fault: `${where}: ${why}. ${CURES.find(([of]) => of.test(text))?.[1] ?? `Expected ${expected}`}.`,
    };
  }
}

/** Whether there are more than `levels` of objects and arrays inside each other: what walks through them would fall. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return (
    levels === 0 || (Array.isArray(value) ? value : Object.values(value)).some((inner) => isDeeper(inner, levels - 1))
  );
}
