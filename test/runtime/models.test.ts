import assert from "node:assert/strict";
import { test } from "node:test";
import { ELEMENT_TYPES, encodeOnnx, type OnnxNode, type OnnxValueInfo } from "../../src/formats/onnx.ts";
import type { DType } from "../../src/graph/value.ts";
import { copyModel, squareModel } from "../../src/runtime/models.ts";

const encoded = (node: OnnxNode, input: OnnxValueInfo, output: OnnxValueInfo) =>
  Buffer.from(encodeOnnx({ opset: { "": 21 }, node: [node], input: [input], output: [output], initializer: [] }));

test("the runtime's own models are spelled as the library of protobufs spells them", () => {
  const { bytes, input, output } = squareModel();
  const square = { opType: "MatMul", domain: "", input: ["x", "x"], output: ["y"], attribute: [] };
  assert.deepEqual(Buffer.from(bytes), encoded(square, input, output));
  for (const dtype of Object.keys(ELEMENT_TYPES) as DType[])
    for (const rank of [0, 1, 4, 12]) {
      const shape = Array.from({ length: rank }, (_, i) => `d${i}`);
      const attribute = [{ name: "to", type: "INT" as const, i: ELEMENT_TYPES[dtype] }];
      const copy = { name: "copy", opType: "Cast", domain: "", input: ["x"], output: ["y"], attribute };
      const [x, y] = [
        { name: "x", elemType: dtype, shape },
        { name: "y", elemType: dtype, shape },
      ] as const;
      assert.deepEqual(Buffer.from(copyModel(dtype, rank)), encoded(copy, x, y));
    }
});
