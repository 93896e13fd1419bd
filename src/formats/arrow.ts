/** @file Arrow IPC: files and streams read one record batch at a time, and streams that grow by whole record batches. */

import { closeSync, fstatSync } from "node:fs";
import { openFile } from "../core/streams.ts";
import "./arrow-codecs.ts";
import { DistillError } from "../core/errors.ts";
import { readAt } from "../core/reading.ts";
import { Message, MessageHeader, type Table, tableFromIPC, tableToIPC } from "./apache-arrow.ts";

const CONTINUATION = 0xffffffff;
const PREFIX = 8; // continuation marker, length of the metadata

/** What ends a stream, where its writer came to the end. */
export const END_OF_STREAM = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);

/** A table as the schema message that begins a stream, and the record batches that follow it. No end marker is written. */
export function encodeStream(table: Table): { schema: Uint8Array; batches: Uint8Array } {
  const bytes = tableToIPC(table, "stream");
  const ends: number[] = [];
  for (let at = 0; at + PREFIX <= bytes.length; ) {
    const [, metadata = 0] = new Uint32Array(bytes.slice(at, at + PREFIX).buffer);
    const message = metadata > 0 ? messageIn(bytes.subarray(at + PREFIX, at + PREFIX + metadata)) : undefined;
    if (!message) break;
    at += PREFIX + metadata + message.body;
    ends.push(at);
  }
  const [schemaEnd = 0] = ends;
  return { schema: bytes.subarray(0, schemaEnd), batches: bytes.subarray(schemaEnd, ends.at(-1) ?? schemaEnd) };
}

/** The table in the record batches that follow a schema, or an empty one. `path` names the file in errors. */
export function decodeBatch(schema: Uint8Array, batches: Uint8Array | undefined, path: string): Table {
  try {
    return tableFromIPC(batches ? Buffer.concat([schema, batches]) : schema);
  } catch (error) {
    throw new DistillError(
      `${path} is not an Arrow file that can be read: ${(error as Error).message}. Where a type of column is not known here, write it as Parquet.`,
    );
  }
}

/** The whole messages of a stream from a position on, and the rows in each. */
export function scanStream(path: string, from: number): { bytes: number; rows: number }[] {
  const file = opened(path);
  try {
    const size = fstatSync(file).size;
    const found: { bytes: number; rows: number }[] = [];
    for (let at = from; ; at += found.at(-1)!.bytes) {
      const message = messageAt(path, file, at, size);
      if (typeof message === "string") return found;
      found.push({ bytes: message.length, rows: message.rows });
    }
  } finally {
    closeSync(file);
  }
}

const MAGIC = "ARROW1"; // of a file, which is a stream between this, padded to 8 bytes, and a footer
const FEATHER_1 = "FEA1";
const MAX_METADATA = 64 << 20;

/**
 * The record batches of an Arrow file or stream as tables, one in memory at a time. One that ends inside a message was cut,
 * and is refused; one that ends behind a message without an end marker may have been, which `unended` hears.
 */
export function* arrowTables(path: string, unended: (path: string) => void = () => {}): Generator<Table> {
  const file = opened(path);
  try {
    const size = fstatSync(file).size;
    const isFile = size >= 8 && Buffer.from(readAt(path, file, 0, 6)).toString("latin1") === MAGIC;
    if (isFile && Buffer.from(readAt(path, file, size - 6, 6)).toString("latin1") !== MAGIC)
      throw new DistillError(`${path} is an Arrow file without its end: it was cut. Get it whole.`);
    if (size >= 8 && Buffer.from(readAt(path, file, 0, 4)).toString("latin1") === FEATHER_1)
      throw new DistillError(
        `${path} is a Feather file of version 1. Write it as version 2, which is Arrow's own format.`,
      );
    const head: Uint8Array[] = []; // the schema and the dictionaries that batches refer to
    for (let at = isFile ? 8 : 0; ; ) {
      const message = messageAt(path, file, at, size);
      if (typeof message === "string") {
        if (head.length === 0)
          throw new DistillError(`${path} is not an Arrow file that can be read: it does not begin with a schema.`);
        if (message === "unended" && !isFile) unended(path);
        if (message === "broken")
          throw new DistillError(
            `${path} is cut or damaged: from byte ${at} of ${size} on there is no whole record batch. Get it whole, or write it again.`,
          );
        return;
      }
      const bytes = readAt(path, file, at, message.length);
      at += message.length;
      if (message.type === MessageHeader.RecordBatch) yield decodeBatch(Buffer.concat(head), bytes, path);
      else head.push(bytes);
    }
  } finally {
    closeSync(file);
  }
}

/** Of each record batch of a stream its rows, and where in the file its buffers are, in the order of the format. */
export function* batchBuffers(
  path: string,
): Generator<{ rows: number; buffers: { offset: number; length: number }[] }> {
  const file = opened(path);
  try {
    const size = fstatSync(file).size;
    for (let at = 0; ; ) {
      const message = messageAt(path, file, at, size);
      if (typeof message === "string") return;
      const body = at + message.length - message.body;
      if (message.buffers)
        yield {
          rows: message.rows,
          buffers: message.buffers.map(({ offset, length }) => ({ offset: body + offset, length })),
        };
      at += message.length;
    }
  } finally {
    closeSync(file);
  }
}

function opened(path: string): number {
  try {
    return openFile(path);
  } catch (error) {
    if (error instanceof DistillError) throw error;
    throw new DistillError(`Cannot read ${path}: ${(error as Error).message}.`);
  }
}

type Regions = { offset: number; length: number }[];
type MessageAt = { type: MessageHeader; length: number; body: number; rows: number; buffers: Regions | undefined };

/** The message at a position; or that the stream ends there, as it should or not. */
function messageAt(path: string, file: number, at: number, size: number): MessageAt | "end" | "unended" | "broken" {
  if (at === size) return "unended";
  if (at + PREFIX > size) return "broken";
  const [mark, metadata = 0] = new Uint32Array(readAt(path, file, at, PREFIX).buffer);
  if (mark !== CONTINUATION) return "broken";
  if (metadata === 0) return "end";
  if (metadata > MAX_METADATA || at + PREFIX + metadata > size) return "broken";
  const message = messageIn(readAt(path, file, at + PREFIX, metadata));
  if (!message || !(message.body >= 0)) return "broken";
  const length = PREFIX + metadata + message.body;
  return at + length > size ? "broken" : { ...message, length };
}

function messageIn(metadata: Uint8Array): Omit<MessageAt, "length"> | undefined {
  try {
    const message = Message.decode(metadata);
    const { headerType, bodyLength } = message;
    const batch = message.isRecordBatch() ? message.header() : undefined;
    const buffers = batch?.buffers.map(({ offset, length }) => ({ offset: Number(offset), length: Number(length) }));
    return { type: headerType, body: Number(bodyLength), rows: Number(batch?.length ?? 0), buffers };
  } catch {
    return undefined; // zeros or garbage behind the last message that reached the disk
  }
}
