import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { writeWholeFrom } from "../../src/core/files.ts";
import { seededRandom } from "../../src/core/random.ts";
import { ggmlBytes } from "../../src/formats/ggml.ts";
import { type GgufTensor, ggufHeader, type Metadata, type MetadataValue, writeGguf } from "../../src/formats/gguf.ts";
import { openGguf } from "../../src/formats/gguf-reader.ts";

const folder = mkdtempSync(join(tmpdir(), "gguf-"));
let files = 0;
const path = (bytes?: Uint8Array): string => {
  const file = join(folder, `${files++}.gguf`);
  if (bytes) writeFileSync(file, bytes);
  return file;
};

const METADATA: Metadata = new Map<string, MetadataValue>([
  ["a.uint8", { type: "uint8", value: 200 }],
  ["a.int8", { type: "int8", value: -100 }],
  ["a.uint16", { type: "uint16", value: 60_000 }],
  ["a.int16", { type: "int16", value: -30_000 }],
  ["a.uint32", { type: "uint32", value: 4_000_000_000 }],
  ["a.int32", { type: "int32", value: -2_000_000_000 }],
  ["a.uint64", { type: "uint64", value: 2n ** 63n }],
  ["a.int64", { type: "int64", value: -(2n ** 62n) }],
  ["a.float32", { type: "float32", value: 0.5 }],
  ["a.float64", { type: "float64", value: Math.PI }],
  ["a.bool", { type: "bool", value: true }],
  ["a.string", { type: "string", value: "wörld ✓" }],
  ["some.strings", { type: "array", of: "string", value: ["", "b", "ĠĊ"] }],
  ["some.numbers", { type: "array", of: "int32", value: [1, -2, 3] }],
  ["some.flags", { type: "array", of: "bool", value: [true, false] }],
  ["none", { type: "array", of: "string", value: [] }],
]);
const TENSORS: GgufTensor[] = [
  { name: "vector", shape: [3], type: "F32" },
  { name: "matrix", shape: [5, 32], type: "Q8_0" },
  { name: "cube", shape: [2, 3, 4], type: "F16" },
];

const random = seededRandom(1);
const contents = TENSORS.map(({ type, shape }) =>
  Uint8Array.from(
    {
      length: ggmlBytes(
        type,
        shape.reduce((a, b) => a * b),
      ),
    },
    () => random.below(256),
  ),
);

async function written(): Promise<string> {
  const file = path();
  await writeWholeFrom(
    file,
    writeGguf(METADATA, TENSORS, (i) => contents[i]!),
  );
  return file;
}

test("what is written is read back", async () => {
  const file = openGguf(await written());
  assert.deepEqual(file.metadata, METADATA);
  assert.deepEqual(
    [...file.tensors.values()].map(({ name, shape, type }) => ({ name, shape, type })),
    TENSORS,
  );
  for (const [i, { name }] of TENSORS.entries()) assert.deepEqual(file.read(name), contents[i]);
  for (const { begin } of file.tensors.values()) assert.equal(begin % 32, 0);
  file.close();
});

test("a file cut anywhere is refused in a sentence", async () => {
  const whole = await written();
  const bytes = readFileSync(whole);
  const last = [...TENSORS.keys()].at(-1)!;
  const end = statSync(whole).size - ((32 - (contents[last]!.length % 32)) % 32);
  for (let length = 0; length < end; length += 7)
    assert.throws(
      () => openGguf(path(bytes.subarray(0, length))),
      (error) => error instanceof DistillError && /cut short|not with "GGUF"/.test(error.message),
      `cut to ${length} bytes`,
    );
  truncateSync(whole, end - 1);
  assert.throws(() => openGguf(whole), /tensor "cube" ends at byte \d+, and the file at \d+; it may be cut short/);
});

test("a file with any byte changed is read or refused, and nothing else", async () => {
  const bytes = readFileSync(await written());
  const header = ggufHeader(METADATA, TENSORS).length;
  const file = path();
  for (let i = 0; i < header; i++) {
    const changed = Buffer.from(bytes);
    changed[i] = changed[i]! ^ (1 + random.below(255));
    writeFileSync(file, changed);
    try {
      openGguf(file).close();
    } catch (error) {
      assert.ok(error instanceof DistillError, `byte ${i}: ${error}`);
    }
  }
});

/** A file made of numbers and texts: 4 or 8 bytes, or as many as the text has. */
function made(...parts: (readonly [4 | 8, number | bigint] | string)[]): string {
  const pieces = parts.map((part) => {
    if (typeof part === "string") return Buffer.from(part);
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(part[1]));
    return bytes.subarray(0, part[0]);
  });
  return path(Buffer.concat(pieces));
}
const u32 = (value: number) => [4, value] as const;
const u64 = (value: number | bigint) => [8, value] as const;
const start = (tensors: number | bigint, keys: number | bigint) => ["GGUF", u32(3), u64(tensors), u64(keys)] as const;
const tensor = (name: string, dims: (number | bigint)[], type: number, offset: number) =>
  [u64(name.length), name, u32(dims.length), ...dims.map(u64), u32(type), u64(offset)] as const;
const zeros = (n: number) => "\0".repeat(n);

const LIES: [name: string, file: () => string, message: RegExp][] = [
  ["no bytes", () => made(), /not with "GGUF"/],
  ["another format", () => made("PK\u0003\u0004 and so on"), /not with "GGUF"/],
  ["version 1", () => made("GGUF", u32(1), u64(0), u64(0)), /its version is 1/],
  ["a big-endian version", () => made("GGUF", u32(3 << 24), u64(0), u64(0)), /big-endian/],
  ["2^60 tensors", () => made(...start(2n ** 60n, 0)), /claims 1152921504606846976 for tensors/],
  ["2^60 keys", () => made(...start(0, 2n ** 60n)), /for metadata keys/],
  ["a key of 2^40 bytes", () => made(...start(0, 1), u64(2 ** 40), "a"), /a metadata key claims 1099511627776 bytes/],
  [
    "an array of 8 million numbers that are not there",
    () => made(...start(0, 1), u64(1), "a", u32(9), u32(10), u64(8_000_000)),
    /"a" has 8000000 elements.*cut short/,
  ],
  ["an array of arrays", () => made(...start(0, 1), u64(1), "a", u32(9), u32(9), u64(1), zeros(64)), /array of arrays/],
  ["a value of an unknown type", () => made(...start(0, 1), u64(1), "a", u32(13), zeros(64)), /unknown type 13/],
  [
    "a key twice",
    () => made(...start(0, 2), u64(1), "a", u32(7), "\u0001", u64(1), "a", u32(7), "\u0001"),
    /the key "a" twice/,
  ],
  ["nine dimensions", () => made(...start(1, 0), ...tensor("t", Array(9).fill(1), 0, 0), zeros(99)), /9 dimensions/],
  ["a tensor of an unknown type", () => made(...start(1, 0), ...tensor("t", [1], 99, 0), zeros(99)), /unknown type 99/],
  [
    "a shape that overflows",
    () => made(...start(1, 0), ...tensor("t", [2 ** 40, 2 ** 40], 0, 0), zeros(99)),
    /impossible shape/,
  ],
  ["rows that are no blocks", () => made(...start(1, 0), ...tensor("t", [33], 8, 0), zeros(99)), /no multiple of 32/],
  ["an unaligned tensor", () => made(...start(1, 0), ...tensor("t", [1], 0, 4), zeros(99)), /offset 4/],
  [
    "tensors that overlap",
    () => made(...start(2, 0), ...tensor("t", [16], 0, 0), ...tensor("u", [16], 0, 32), zeros(999)),
    /"t" and "u" overlap/,
  ],
  [
    "a tensor twice",
    () => made(...start(2, 0), ...tensor("t", [1], 0, 0), ...tensor("t", [1], 0, 32), zeros(99)),
    /the tensor "t" twice/,
  ],
  ["a missing file", () => join(folder, "missing"), /Cannot open/],
  ["a folder", () => folder, /is a folder\. Expected a GGUF file/],
];

for (const [name, file, message] of LIES)
  test(`a GGUF file with ${name} is refused in a sentence`, () => {
    assert.throws(
      () => openGguf(file()),
      (error) => error instanceof DistillError && message.test(error.message),
    );
  });
