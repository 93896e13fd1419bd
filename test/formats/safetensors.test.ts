import assert from "node:assert/strict";
import { mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { openSafetensors, safetensorsHeader } from "../../src/formats/safetensors.ts";
import { random } from "../support/finite-differences.ts";

const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
let files = 0;
const path = (bytes: Uint8Array): string => {
  const file = join(folder, `${files++}.safetensors`);
  writeFileSync(file, bytes);
  return file;
};

/** A file with this header and `data` bytes behind it. */
function lying(header: object | string, data = 16, length?: bigint): string {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length ?? BigInt(json.length));
  return path(Buffer.concat([size, json, Buffer.alloc(data)]));
}

const good = { dtype: "F32", shape: [2], data_offsets: [0, 8] };

const LIES: [name: string, file: () => string, message: RegExp][] = [
  ["an empty file", () => path(new Uint8Array(0)), /it has 0 bytes/],
  ["a header longer than the file", () => lying({ a: good }, 16, 1000n), /its header claims 1000 bytes/],
  ["a header of 100 GB", () => lying({ a: good }, 16, 100n * 2n ** 30n), /its header claims 107374182400 bytes/],
  ["a header that is not JSON", () => lying("{nonsense"), /its header is not JSON/],
  ["a header that is a list", () => lying("[]"), /not a JSON object/],
  ["a tensor past the end", () => lying({ a: good }, 4), /it may be cut short/],
  [
    "a size that does not fit the shape",
    () => lying({ a: { ...good, shape: [3] } }),
    /needs 12 bytes, and its offsets 0 to 8 hold 8/,
  ],
  ["tensors that overlap", () => lying({ a: good, b: { ...good, data_offsets: [4, 12] } }), /"a" and "b" overlap/],
  ["an unknown type", () => lying({ a: { ...good, dtype: "F4" } }), /tensor "a"/],
  ["offsets that run backwards", () => lying({ a: { ...good, data_offsets: [8, 0] } }), /offsets 8 to 0/],
  ["a shape that overflows", () => lying({ a: { ...good, shape: [2 ** 40, 2 ** 40] } }), /tensor "a"/],
];

for (const [name, file, message] of LIES)
  test(`a safetensors file with ${name} is refused in a sentence`, () => {
    assert.throws(
      () => openSafetensors(file()),
      (error) => error instanceof DistillError && message.test(error.message),
    );
  });

test("what is written is read back, and a file cut short is refused", () => {
  const next = random(1);
  const data = Float32Array.from({ length: 6 }, next);
  const header = safetensorsHeader([{ name: "a", dtype: "F32", shape: [2, 3] }]);
  assert.equal(header.length % 8, 0);
  const file = path(Buffer.concat([header, new Uint8Array(data.buffer)]));
  const opened = openSafetensors(file);
  assert.deepEqual(new Float32Array(opened.read("a").buffer), data);
  opened.close();
  truncateSync(file, header.length + 10);
  assert.throws(() => openSafetensors(file), /it may be cut short/);
});
