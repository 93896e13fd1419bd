/** @file Rows as tables of text: the first line names the columns. */

import { pipeline, Readable } from "node:stream";
import { type CsvError, parse } from "csv-parse";
import { DistillError } from "../../core/errors.ts";
import { textBlocks } from "./bytes.ts";
import type { RowFile } from "./found.ts";

const MAX_RECORD = 64 << 20; // characters

/** Of `delimiters` the first that the line of names has separates the cells. */
const separated = (delimiters: readonly string[], ...endings: string[]): RowFile => ({
  endings,
  async *rows(path) {
    const { delimiter, said } = await dialectOf(path, delimiters);
    const parser = parse({
      delimiter,
      from_line: said ? 2 : 1,
      info: true,
      skip_empty_lines: true,
      relax_column_count: true, // a record that is too short or too long is one bad row
      record_delimiter: ["\r\n", "\n", "\r"],
      max_record_size: MAX_RECORD,
    });
    pipeline(Readable.from(texts(path)), parser, () => {}); // what fails is thrown below
    let names: readonly string[] | undefined;
    try {
      for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
        const where = `${path}, line ${info.lines}`;
        if (names === undefined) names = namesOnce(record, where);
        else if (record.length === names.length)
          yield { where, value: Object.fromEntries(names.map((name, i) => [name, record[i]])) };
        else
          yield {
            where,
            value: undefined,
            fault: `${where} has ${record.length} cells, and the first line ${names.length}. Expected one for each column; a comma or a line's end inside a cell wants quotes.`,
          };
      }
    } catch (error) {
      if (error instanceof DistillError) throw error;
      const { message } = error as CsvError;
      throw new DistillError(
        `${path} is not a table of text that can be read: ${message.replace(/\.$/, "")}. A quote inside a cell is written twice, and the cell stands in quotes.`,
      );
    }
  },
});

/** The names of columns without blanks around them, each of which may stand for one column alone. */
function namesOnce(names: readonly string[], where: string): string[] {
  const trimmed = names.map((name) => name.trim());
  const twice = trimmed.find((name, i) => trimmed.indexOf(name) < i);
  if (twice !== undefined)
    throw new DistillError(`${where}: two columns are called "${twice}". Give each a name of its own.`);
  return trimmed;
}

async function* texts(path: string): AsyncGenerator<string> {
  for await (const { text } of textBlocks(path)) yield text;
}

/** What spreadsheets write in front of the line of names where commas are decimal. */
const SAID = /^sep=(.)\r?$/;

/** What separates the cells, and whether the first line says so and nothing else. */
async function dialectOf(path: string, delimiters: readonly string[]): Promise<{ delimiter: string; said: boolean }> {
  for await (const { text } of textBlocks(path)) {
    const [first] = text.split("\n", 1) as [string];
    const said = SAID.exec(first)?.[1];
    if (said !== undefined) return { delimiter: said, said: true };
    const names = first.replace(/"[^"]*"/g, "");
    return { delimiter: delimiters.find((one) => names.includes(one)) ?? delimiters[0]!, said: false };
  }
  return { delimiter: delimiters[0]!, said: false };
}

export const csv = separated([",", ";", "\t", "|"], ".csv");
export const tsv = separated(["\t"], ".tsv");
