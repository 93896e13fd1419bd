/** @file Rows of Parquet, some thousand in memory at a time. */

import { closeSync, statSync } from "node:fs";
import type { AsyncBuffer, ParquetParsers } from "hyparquet";
import { DistillError } from "../../core/errors.ts";
import { readAt } from "../../core/reading.ts";
import { openFile } from "../../core/streams.ts";
import type { RowFile } from "./found.ts";
import { plainRow } from "./plain.ts";

const ROWS = 8192;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The library would put U+FFFD where bytes are no text. */
const parsers: Partial<ParquetParsers> = { stringFromBytes: textFrom, jsonFromBytes: textFrom };

function textFrom(bytes: Uint8Array | undefined) {
  if (!bytes) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Error("a text in it is not UTF-8");
  }
}

export const parquet: RowFile = {
  endings: [".parquet"],
  async *rows(path) {
    const { parquetMetadataAsync, parquetReadObjects } = await import("hyparquet"); // slow to load
    const { compressors } = await import("hyparquet-compressors");
    const handle = openFile(path);
    const byteLength = statSync(path).size;
    const file: AsyncBuffer = {
      byteLength,
      slice: async (start, end = byteLength) => readAt(path, handle, start, end - start).buffer,
    };
    try {
      const metadata = await parquetMetadataAsync(file);
      let row = 0;
      let group = 0;
      for (const { num_rows } of metadata.row_groups) {
        const end = group + Number(num_rows);
        for (let rowStart = group; rowStart < end; rowStart += ROWS) {
          const rowEnd = Math.min(rowStart + ROWS, end);
          for (const value of await parquetReadObjects({ file, metadata, compressors, parsers, rowStart, rowEnd }))
            yield { where: `${path}, row ${++row}`, value: plainRow(value) };
        }
        group = end;
      }
    } catch (error) {
      if (error instanceof DistillError) throw error;
      throw new DistillError(`${path} is not a Parquet file that can be read: ${(error as Error).message}.`);
    } finally {
      closeSync(handle);
    }
  },
};
