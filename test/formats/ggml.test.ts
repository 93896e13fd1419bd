import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { seededRandom } from "../../src/core/random.ts";
import {
  decodeGgml,
  ENCODED_TYPES,
  type EncodedType,
  encodeGgml,
  GGML_TYPES,
  type GgmlType,
  isWeighted,
} from "../../src/formats/ggml.ts";

type Reference = {
  decoded: Record<string, { bytes: string; values: string }>;
  encoded: { values: string; bytes: Record<string, string> };
};
const reference = JSON.parse(readFileSync("test/reference/gguf_blocks.json", "utf8")) as Reference;
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, "base64"));
const floatsOf = (text: string) => new Float32Array(bytesOf(text).buffer);
const bitsOf = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

for (const [type, { bytes, values }] of Object.entries(reference.decoded))
  test(`${type} is decoded bit for bit as gguf-py does`, () => {
    const expected = floatsOf(values);
    assert.deepEqual(bitsOf(decodeGgml(type as GgmlType, bytesOf(bytes), expected.length)!), bitsOf(expected));
  });

for (const [type, bytes] of Object.entries(reference.encoded.bytes))
  test(`${type} is encoded byte for byte as gguf-py does`, () => {
    assert.deepEqual(encodeGgml(type as EncodedType, floatsOf(reference.encoded.values)), bytesOf(bytes));
  });

const quantised = JSON.parse(readFileSync("test/reference/ggml_quantize.json", "utf8")) as Reference["encoded"] & {
  weighted: { values?: string; importance: string; bytes: Record<string, string> }[];
};
for (const [type, bytes] of Object.entries(quantised.bytes))
  test(`${type} is encoded byte for byte as llama.cpp's library does`, () => {
    const expected = bytesOf(bytes);
    assert.ok(expected.length > 1000);
    assert.deepEqual(encodeGgml(type as EncodedType, floatsOf(quantised.values)), expected);
  });

for (const [i, { values = quantised.values, importance, bytes }] of quantised.weighted.entries())
  for (const [type, expected] of Object.entries(bytes))
    test(`${type} is encoded byte for byte as llama.cpp's library does with importances, those of case ${i}`, () => {
      const columns = floatsOf(importance);
      const encoded = encodeGgml(type as EncodedType, floatsOf(values), columns);
      assert.deepEqual(encoded, bytesOf(expected));
      assert.notDeepEqual(encoded, encodeGgml(type as EncodedType, floatsOf(values)));
    });

test("8 bits are the same with importances and without", () => {
  const columns = new Float32Array(256).map((_, i) => i);
  assert.deepEqual(encodeGgml("Q8_0", floatsOf(quantised.values), columns), bytesOf(quantised.bytes.Q8_0!));
  assert.deepEqual(
    Object.keys(quantised.weighted[0]!.bytes).sort(),
    ENCODED_TYPES.filter((type) => isWeighted(type)).sort(),
  );
});

test("every quantised type that is written has a reference", () => {
  const whole = ["F32", "F16", "BF16"];
  const expected = ENCODED_TYPES.filter((type) => !whole.includes(type));
  assert.deepEqual(Object.keys(quantised.bytes).sort(), [...expected].sort());
});

test("what is encoded is decoded to within half a step of each type", () => {
  const random = seededRandom(2);
  const values = Float32Array.from({ length: 512 }, () => random.normal());
  const steps = {
    F32: 0,
    F16: 2 ** -11,
    BF16: 2 ** -8,
    Q8_0: 1 / 127,
    Q4_0: 1 / 8,
    Q4_1: 1 / 15,
    Q5_0: 1 / 16,
    Q5_1: 1 / 31,
  };
  for (const [type, step] of Object.entries(steps)) {
    const encoded = encodeGgml(type as EncodedType, values);
    const decoded = decodeGgml(type as GgmlType, encoded, values.length)!;
    for (let block = 0; block < values.length; block += 32) {
      const scale = Math.max(...values.subarray(block, block + 32).map(Math.abs));
      for (let i = block; i < block + 32; i++)
        assert.ok(Math.abs(decoded[i]! - values[i]!) <= scale * step * 1.01, `${type}: ${decoded[i]} for ${values[i]}`);
    }
  }
});

test("a type that is not read gives nothing instead of noise", () => {
  assert.equal(decodeGgml("IQ2_XS", new Uint8Array(GGML_TYPES.IQ2_XS[2]), 256), undefined);
});
