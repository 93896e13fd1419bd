/** @file TensorBoard's event files: records with masked CRC-32C checksums, each an Event of tensorflow's event.proto. */

import protobuf from "protobufjs";

export type BoardEvent =
  | { wall_time: number; file_version: string }
  /** The session begins at a step: what other files hold from there on counts no longer. */
  | { wall_time: number; step: number; start: true }
  | { wall_time: number; step: number; scalars: Record<string, number> }
  | { wall_time: number; step: number; texts: Record<string, string> };

/** What every file begins with. */
export const FILE_VERSION = "brain.Event:2";

const schema = {
  nested: {
    Event: {
      fields: {
        wallTime: { id: 1, type: "double" },
        step: { id: 2, type: "int64" },
        fileVersion: { id: 3, type: "string" },
        summary: { id: 5, type: "Summary" },
        sessionLog: { id: 7, type: "SessionLog" },
      },
    },
    SessionLog: { fields: { status: { id: 1, type: "int32" } } },
    Summary: { fields: { value: { id: 1, rule: "repeated", type: "Value" } } },
    Value: {
      fields: {
        tag: { id: 1, type: "string" },
        simpleValue: { id: 2, type: "float" },
        tensor: { id: 8, type: "Tensor" },
        metadata: { id: 9, type: "Metadata" },
      },
    },
    Metadata: { fields: { pluginData: { id: 1, type: "PluginData" } } },
    PluginData: { fields: { pluginName: { id: 1, type: "string" } } },
    Tensor: {
      fields: {
        dtype: { id: 1, type: "int32" },
        tensorShape: { id: 2, type: "Shape" },
        stringVal: { id: 8, rule: "repeated", type: "bytes" },
      },
    },
    Shape: { fields: { dim: { id: 2, rule: "repeated", type: "Dimension" } } },
    Dimension: { fields: { size: { id: 1, type: "int64" } } },
  },
};
const EventMessage = protobuf.Root.fromJSON(schema).lookupType("Event");

const [START, DT_STRING] = [1, 7];

/** An event as a record: its length, the length's checksum, the event, its checksum. */
export function encodeEvent(event: BoardEvent): Uint8Array {
  const data = EventMessage.encode(messageOf(event)).finish();
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(masked(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(masked(data), 12 + data.length);
  return record;
}

/** The events of a file; the last one may be cut. Throws where a checksum is not that of its bytes. */
export function* decodeEvents(file: Uint8Array): Generator<BoardEvent> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  for (let at = 0; at + 12 <= bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    if (masked(bytes.subarray(at, at + 8)) !== bytes.readUInt32LE(at + 8))
      throw new Error(`The length of the event at ${at} is damaged.`);
    const end = at + 12 + length;
    if (end + 4 > bytes.length) return;
    const data = bytes.subarray(at + 12, end);
    if (masked(data) !== bytes.readUInt32LE(end)) throw new Error(`The event at ${at} is damaged.`);
    yield eventOf(EventMessage.toObject(EventMessage.decode(data), { longs: Number }));
    at = end + 4;
  }
}

function messageOf(event: BoardEvent): Record<string, unknown> {
  if ("file_version" in event) return { wallTime: event.wall_time, fileVersion: event.file_version };
  const { wall_time: wallTime, step } = event;
  if ("start" in event) return { wallTime, step, sessionLog: { status: START } };
  const value =
    "scalars" in event
      ? Object.entries(event.scalars).map(([tag, simpleValue]) => ({ tag, simpleValue }))
      : Object.entries(event.texts).map(([tag, text]) => ({
          tag,
          tensor: { dtype: DT_STRING, tensorShape: { dim: [{ size: 1 }] }, stringVal: [Buffer.from(text)] },
          metadata: { pluginData: { pluginName: "text" } },
        }));
  return { wallTime, step, summary: { value } };
}

type Decoded = {
  wallTime: number;
  step?: number;
  fileVersion?: string;
  sessionLog?: object;
  summary?: { value?: { tag: string; simpleValue?: number; tensor?: { stringVal: Uint8Array[] } }[] };
};

function eventOf(message: Record<string, unknown>): BoardEvent {
  const { wallTime: wall_time, step = 0, fileVersion, sessionLog, summary } = message as Decoded;
  if (fileVersion !== undefined) return { wall_time, file_version: fileVersion };
  if (sessionLog) return { wall_time, step, start: true };
  const values = summary?.value ?? [];
  const texts = values.flatMap(({ tag, tensor }) =>
    tensor ? [[tag, Buffer.from(tensor.stringVal[0]!).toString()]] : [],
  );
  if (texts.length > 0) return { wall_time, step, texts: Object.fromEntries(texts) };
  return { wall_time, step, scalars: Object.fromEntries(values.map(({ tag, simpleValue = 0 }) => [tag, simpleValue])) };
}

/** Castagnoli's polynomial, bits reversed. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1;
  return rest >>> 0;
});

/** ((crc >> 15) | (crc << 17)) + 0xa282ead8, so that checksums of checksums are no worse. */
function masked(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
