/** @file Whether what Arrow calls text is text: its library would put U+FFFD where it is not. */

import { isUtf8 } from "node:buffer";
import { DistillError } from "../../core/errors.ts";
import type { Data, Table } from "../../formats/apache-arrow.ts";
import { LargeUtf8, Utf8 } from "../../formats/apache-arrow.ts";

/** Throw where a column of text holds bytes that are not UTF-8. */
export function requireUtf8(table: Table, path: string): void {
  for (const { name } of table.schema.fields)
    for (const data of table.getChild(name)!.data)
      if (!isText(data))
        throw new DistillError(
          `${path}: the column "${name}" holds bytes that are not UTF-8. Write it again as UTF-8.`,
        );
}

function isText({ type, values, valueOffsets, children, dictionary }: Data): boolean {
  const of = (data: Data | null | undefined): boolean => !data || isText(data);
  if (type instanceof Utf8 || type instanceof LargeUtf8) {
    const [first, last] = [Number(valueOffsets[0] ?? 0), Number(valueOffsets.at(-1) ?? 0)];
    return isUtf8((values as Uint8Array).subarray(first, last));
  }
  return children.every(of) && (dictionary?.data ?? []).every(of);
}
