/** @file Arrow IPC streams that grow by whole record batches and are readable at every moment. */

import { Message, type Table, tableFromIPC, tableToIPC } from "apache-arrow";
import { DistillError } from "../core/errors.ts";

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

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where each whole message of a stream ends. */
function messageEnds(bytes: Uint8Array): number[] {
  const ends: number[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at + PREFIX <= bytes.length && view.getUint32(at, true) === CONTINUATION; ) {
    const metadata = view.getInt32(at + 4, true);
    if (metadata <= 0 || at + PREFIX + metadata > bytes.length) break;
    let body: number;
    try {
      body = Number(Message.decode(bytes.subarray(at + PREFIX, at + PREFIX + metadata)).bodyLength);
    } catch {
      break; // zeros or garbage behind the last message that reached the disk
    }
    at += PREFIX + metadata + body;
    if (!(body >= 0) || at > bytes.length) break;
    ends.push(at);
  }
  return ends;
}
