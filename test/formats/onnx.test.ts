import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { encodeOnnx, type OnnxGraph, type OnnxNode } from "../../src/formats/onnx.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { testDevice } from "../support/finite-differences.ts";

const node = (opType: string, input: string[], output: string[]): OnnxNode => ({
  opType,
  domain: "",
  input,
  output,
  attribute: [],
});
const float = (name: string, shape: (number | string)[] = [2]) => ({ name, elemType: "float32", shape }) as const;
const more = (name: string) => ({ name, elemType: "bool", shape: [] }) as const;
const count = (name: string) => ({ name, elemType: "int64", shape: [] }) as const;

test("a node's body is a graph: it carries values, reads those of the graph around it, and has constants of its own", async () => {
  const halves = new Uint8Array(Float32Array.of(0.5, 0.5).buffer);
  // x ← x·y + ½, and each x is an output
  const g: OnnxGraph = {
    node: [
      node("Mul", ["x", "y"], ["product"]),
      node("Add", ["product", "half"], ["next"]),
      node("Identity", ["next"], ["each"]),
      node("Identity", ["more"], ["go on"]),
    ],
    input: [count("i"), more("more"), float("x")],
    output: [more("go on"), float("next"), float("each")],
    initializer: [{ name: "half", elemType: "float32", dims: [2], rawData: halves }],
  };
  const loop: OnnxNode = {
    ...node("Loop", ["times", "", "start"], ["last", "all"]),
    attribute: [{ name: "body", type: "GRAPH", g }],
  };
  const bytes = encodeOnnx({
    opset: { "": 21 },
    node: [loop],
    input: [count("times"), float("start"), float("y")],
    output: [float("last"), float("all", ["times", 2])],
    initializer: [],
  });
  const path = join(mkdtempSync(join(tmpdir(), "onnx-")), "model.onnx");
  writeFileSync(path, bytes);
  const model = await (await testDevice()).load(path);
  const { last, all } = await model.run({
    times: tensor("int64", [], [3]),
    start: tensor("float32", [2], [1, 2]),
    y: tensor("float32", [2], [2, -1]),
  });
  assert.deepEqual(toNumbers(last!), [11.5, -1.5]);
  assert.deepEqual(all!.shape, [3, 2]);
  assert.deepEqual(toNumbers(all!), [2.5, -1.5, 5.5, 2, 11.5, -1.5]);
});

after(async () => (await testDevice()).close());
