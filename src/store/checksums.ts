/** @file checksums.jsonl: a line for each piece that a log holds, which proves itself, and one for each that is damaged. */

import { existsSync, fstatSync, ftruncateSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { contentHash } from "../core/hash.ts";
import { readFile } from "../core/streams.ts";

/** Bytes of a file that were appended at once, and how many rows they hold. */
export type Piece = { file: string; offset: number; bytes: number; rows: number; sha256: string };
/** A piece that can be read, and the number of its first row among all that were ever written. */
export type Extent = Piece & { first: number };

export const CHECKSUMS = "checksums.jsonl";
export const FILE = /^data-(\d{5})\.arrow$/;

const Line = z.union([
  z.strictObject({
    file: z.string().regex(FILE),
    offset: z.int().nonnegative(),
    bytes: z.int().positive(),
    rows: z.int().nonnegative(),
    sha256: z.string(),
  }),
  /** Where a piece begins that is damaged. */
  z.strictObject({ damaged: z.string().regex(FILE), offset: z.int().nonnegative() }),
]);
/** A line: a piece that was written, or that one is damaged. */
export type Line = z.output<typeof Line>;

export const dataFilesIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => FILE.test(name))
    .sort();

/** The pieces that lines name: those that can be read, and what is known of the others. */
export function extentsOf(lines: readonly Line[]) {
  const bad = new Set(lines.flatMap((line) => ("damaged" in line ? [`${line.damaged} ${line.offset}`] : [])));
  const pieces = piecesOf(lines).sort((a, b) => (a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1));
  const extents: Extent[] = [];
  const broken = new Set<string>();
  let [rows, damaged] = [0, 0];
  for (const piece of pieces) {
    if (bad.has(`${piece.file} ${piece.offset}`)) {
      damaged += piece.rows;
      broken.add(piece.file);
    } else extents.push({ ...piece, first: rows });
    rows += piece.rows;
  }
  return { extents, rows, damaged, broken };
}

export const piecesOf = (lines: readonly Line[]): Piece[] => lines.flatMap((line) => ("file" in line ? [line] : []));

/** The lines that can be read, and what is wrong with the others. A last line may have been half written: it is `torn`. */
export function readLines(folder: string): { lines: Line[]; lost?: string; torn: boolean } {
  const path = join(folder, CHECKSUMS);
  if (!existsSync(path))
    return {
      lines: [],
      torn: false,
      ...(existsSync(folder) && dataFilesIn(folder).length > 0 ? { lost: "is missing" } : {}),
    };
  const texts = readFile(path).toString("utf8").split("\n");
  const torn = texts.pop() !== "";
  const lines = texts.map(decodeLine);
  const bad = lines.indexOf(undefined);
  return {
    lines: lines.filter((line) => line !== undefined),
    torn,
    ...(bad < 0 ? {} : { lost: `is damaged in line ${bad + 1}` }),
  };
}

export const encodeLine = (line: Line): string =>
  `${JSON.stringify({ ...line, line: contentHash(line).slice(0, 8) })}\n`;

/** Write a line whole, or leave the file as it was: the next one must not stand behind half of it. */
export function writeLine(log: number, line: Line): void {
  const bytes = Buffer.from(encodeLine(line));
  const before = fstatSync(log).size;
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(log, bytes, done, bytes.length - done);
  } catch (error) {
    ftruncateSync(log, before);
    throw error;
  }
}

function decodeLine(text: string): Line | undefined {
  try {
    const { line: check, ...rest } = JSON.parse(text) as Record<string, unknown>;
    const parsed = Line.safeParse(rest);
    return parsed.success && check === contentHash(parsed.data).slice(0, 8) ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
