/** @file Arrow IPC streams that grow by whole record batches and are readable at every moment. */

import { closeSync, fstatSync, openSync } from "node:fs";
import { Message, MessageHeader, type Table, tableFromIPC, tableToIPC } from "apache-arrow";
import { DistillError } from "../core/errors.ts";
import { readAt } from "../core/files.ts";

const CONTINUATION = 0xffffffff;
const PREFIX = 8; // continuation marker, length of the metadata

/** A table as the schema message that begins a stream, and the record batches that follow it. No end marker is written. */
export function encodeStream(table: Table): { schema: Uint8Array; batches: Uint8Array } {
  const bytes = tableToIPC(table, "stream");
  const [schemaEnd = 0, ...ends] = messageEnds(bytes);
  return { schema: bytes.subarray(0, schemaEnd), batches: bytes.subarray(schemaEnd, ends.at(-1) ?? schemaEnd) };
}

/** The bytes of the whole messages that a stream begins with: what is left where writing was cut off, or an end marker, is behind. */
export const intactLength = (bytes: Uint8Array): number => messageEnds(bytes).at(-1) ?? 0;

/** The table in an Arrow file, or in the intact part of a stream. `path` names it in errors. */
export function decodeArrow(bytes: Uint8Array, path: string): Table {
  try {
    const isStream = bytes.length >= 4 && viewOf(bytes).getUint32(0, true) === CONTINUATION;
    return tableFromIPC(isStream ? bytes.subarray(0, intactLength(bytes)) : bytes);
  } catch (error) {
    throw new DistillError(`${path} is not an Arrow file that can be read: ${(error as Error).message}.`);
  }
}

const MAGIC = "ARROW1"; // of a file, which is a stream between this, padded to 8 bytes, and a footer
const MAX_METADATA = 64 << 20;

/** The record batches of an Arrow file or stream as tables, one in memory at a time. A torn tail is passed over. */
export function* arrowTables(path: string): Generator<Table> {
  const file = openSync(path, "r");
  try {
    const size = fstatSync(file).size;
    const isFile = size >= 8 && Buffer.from(readAt(path, file, 0, 6)).toString("latin1") === MAGIC;
    const head: Uint8Array[] = []; // the schema and the dictionaries that batches refer to
    for (let at = isFile ? 8 : 0; at + PREFIX <= size; ) {
      const [mark, metadata] = new Uint32Array(readAt(path, file, at, PREFIX).buffer);
      if (mark !== CONTINUATION || !metadata || metadata > MAX_METADATA || at + PREFIX + metadata > size) break;
      const message = messageIn(readAt(path, file, at + PREFIX, metadata));
      const length = PREFIX + metadata + (message?.body ?? 0);
      if (!message || !(message.body >= 0) || at + length > size) break;
      const bytes = readAt(path, file, at, length);
      at += length;
      if (message.type === MessageHeader.RecordBatch)
        yield decodeArrow(head.length > 0 ? Buffer.concat([...head, bytes]) : bytes, path);
      else head.push(bytes);
    }
    if (head.length === 0)
      throw new DistillError(`${path} is not an Arrow file that can be read: it does not begin with a schema.`);
  } finally {
    closeSync(file);
  }
}

function messageIn(metadata: Uint8Array): { type: MessageHeader; body: number } | undefined {
  try {
    const { headerType, bodyLength } = Message.decode(metadata);
    return { type: headerType, body: Number(bodyLength) };
  } catch {
    return undefined; // zeros or garbage behind the last message that reached the disk
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where each whole message of a stream ends. */
function messageEnds(bytes: Uint8Array): number[] {
  const ends: number[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at + PREFIX <= bytes.length && view.getUint32(at, true) === CONTINUATION; ) {
    const metadata = view.getInt32(at + 4, true);
    if (metadata <= 0 || at + PREFIX + metadata > bytes.length) break;
    const body = messageIn(bytes.subarray(at + PREFIX, at + PREFIX + metadata))?.body ?? Number.NaN;
    at += PREFIX + metadata + body;
    if (!(body >= 0 && at <= bytes.length)) break;
    ends.push(at);
  }
  return ends;
}
