/** @file Rows of Arrow files and streams. */

import { DataType, type Table } from "../../formats/apache-arrow.ts";
import { arrowTables } from "../../formats/arrow.ts";
import { mayBeCut } from "../dataset-folder.ts";
import { requireUtf8 } from "./arrow-text.ts";
import type { Found, RowFile } from "./found.ts";
import { plainRow } from "./plain.ts";

export const arrow: RowFile = {
  endings: [".arrow", ".feather", ".ipc"],
  *rows(path) {
    let row = 0;
    for (const table of arrowTables(path, mayBeCut))
      for (const found of rowsIn(table, path, row)) {
        row++;
        yield found;
      }
  },
};

/** Whether numbers of a type say when: they are no text. */
const isTime = (type: DataType): boolean =>
  [DataType.isDate, DataType.isTimestamp, DataType.isTime, DataType.isDuration].some((is) => is(type));

/** The rows of a table of which `before` come before it in the file. */
export function* rowsIn(table: Table, path: string, before: number): Generator<Found> {
  requireUtf8(table, path);
  const times = table.schema.fields.filter(({ type }) => isTime(type)).map(({ name }) => name);
  let row = before;
  for (const value of table) {
    const columns = plainRow(value);
    for (const name of times) if (columns[name] !== null) columns[name] = { time: columns[name] };
    yield { where: `${path}, row ${++row}`, value: columns };
  }
}
