import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DistillError, ShapeError } from "../../src/core/errors.ts";
import { type DType, input, scalar, type Value } from "../../src/graph/value.ts";
import * as ops from "../../src/ops/index.ts";
import { position } from "../../src/ops/movement.ts";
import { tiled } from "../../src/ops/scan.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const { Concat, MatMul, Transpose } = ops;
const skip = whyNoVulkan() ?? false;
const x = (dtype: DType, shape: number[] = [2, 4], name = "x") => input(name, dtype, shape);
const unary = (op: (x: Value) => Value) => (dtype: DType) => op(x(dtype));
const binary = (op: (a: Value, b: Value) => Value) => (dtype: DType) => op(x(dtype), x(dtype, [2, 4], "b"));
const flag = input("flag", "bool", [2, 4]);
const ids = input("ids", "int32", [2, 2]);

/** Every op of elements of one type. */
const CASES: Partial<Record<keyof typeof ops, (dtype: DType) => Value>> = {
  ...Object.fromEntries(
    (["Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Sigmoid", "Silu", "Tanh", "Softmax", "LogSoftmax"] as const).map(
      (name) => [name, unary(ops[name])],
    ),
  ),
  ...Object.fromEntries(
    (
      ["Add", "Sub", "Mul", "Div", "Pow", "Equal", "GreaterOrEqual", "LessOrEqual", "GatedSilu", "GatedGelu"] as const
    ).map((name) => [name, binary(ops[name])]),
  ),
  ...Object.fromEntries(
    (["ReduceMax", "ReduceMean", "ReduceSum", "ReduceSumSquare"] as const).map((name) => [
      name,
      unary((x) => ops[name](x, { axes: [1] })),
    ]),
  ),
  Cast: unary((x) => ops.Cast(x, { to: "float32" })),
  Where: (dtype) => ops.Where(flag, x(dtype), x(dtype, [2, 4], "b")),
  MatMul: (dtype) => MatMul(x(dtype), Transpose(x(dtype, [3, 4], "b"), { perm: [1, 0] })),
  Transpose: unary((x) => Transpose(x, { perm: [1, 0] })),
  Reshape: unary((x) => ops.Reshape(x, { shape: [8] })),
  Expand: unary((x) => ops.Expand(x, { shape: [3, 2, 4] })),
  Concat: (dtype) => Concat(x(dtype), x(dtype, [2, 4], "b"), { axis: 0 }),
  Slice: unary((x) => ops.Slice(x, position(1), position(3), { axis: 1, size: 2 })),
  Gather: unary((x) => ops.Gather(x, ids)),
  GatherElements: unary((x) => ops.GatherElements(x, ids, { axis: 1 })),
  ScatterElements: (dtype) => ops.ScatterElements(x(dtype), ids, x(dtype, [2, 2], "u"), { axis: 1 }),
  SimplifiedLayerNormalization: (dtype) =>
    ops.SimplifiedLayerNormalization(x(dtype), x(dtype, [4], "w"), { epsilon: 1e-5 }),
  DequantizeLinear: (dtype) => ops.DequantizeLinear(x("int8"), x(dtype, [2, 2], "s"), { block_size: 2 }),
  MatMulNBits: (dtype) =>
    ops.MatMulNBits(x(dtype, [2, 32]), input("w", "uint8", [3, 1, 32]), x(dtype, [3, 1], "s"), {
      bits: 8,
      block_size: 32,
    }),
  RotaryEmbedding: (dtype) =>
    ops.RotaryEmbedding(
      x(dtype, [1, 2, 8]),
      input("p", "int64", [1, 2]),
      x(dtype, [4, 2], "cos"),
      x(dtype, [4, 2], "sin"),
      { num_heads: 2 },
    ),
  RotaryEmbeddingAt: (dtype) =>
    ops.RotaryEmbeddingAt(x(dtype, [1, 2, 8]), x(dtype, [1, 2, 2], "cos"), x(dtype, [1, 2, 2], "sin"), {
      num_heads: 2,
    }),
};
const DTYPES: readonly DType[] = ["float64", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool"];

/** Why a device does not open the program of a value. */
async function refusal(device: Device, y: Value): Promise<Error | undefined> {
  try {
    await (await device.compile({ y })).release();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

const devices = new Map<string, Promise<Device>>();
const opened = (name: "cpu" | "webgpu"): Promise<Device> => {
  if (!devices.has(name)) devices.set(name, openDevice(name, { strict: true, threads: 1 }));
  return devices.get(name)!;
};

for (const name of ["cpu", "webgpu"] as const)
  for (const [op, make] of Object.entries(CASES))
    test(
      `what ${name} lacks for ${op} is a sentence that names op, element type, device and a type that works`,
      {
        skip: name === "webgpu" && skip,
      },
      async () => {
        const device = await opened(name);
        for (const dtype of DTYPES) {
          const error = await refusal(device, make(dtype));
          if (!error || error instanceof ShapeError) continue;
          assert.ok(error instanceof DistillError, `${dtype}: ${error.message}`);
          if (dtype === "bfloat16")
            assert.match(error.message, /^A program on device "\w+" takes and gives no bfloat16\./);
          else {
            const [, named, types, others = ""] =
              /^Device "\w+" has no kernel for (\w+) of ([^.]+)\. (?:It has one for ([^:]+): Cast|Compute it)/.exec(
                error.message,
              ) ?? assert.fail(error.message);
            assert.ok(types!.split(/ and | to /).includes(dtype), error.message);
            // where the op is one node its type may be exchanged for those that are named
            if (named === ops[op as keyof typeof ops].type && op !== "DequantizeLinear")
              for (const other of others.split(", ").filter(Boolean) as DType[])
                assert.equal(await refusal(device, make(other)), undefined, `${error.message} ${other}`);
          }
        }
      },
    );

test("of a large program the node is named that has no kernel, inside a Scan too", async () => {
  const device = await opened("cpu");
  const a = input("a", "float32", [4, 4]);
  const bits = ops.BitCast(input("bits", "uint16", [4, 4]), { to: "bfloat16" });
  const product = ops.Cast(MatMul(bits, bits), { to: "float32" });
  await assert.rejects(device.compile({ y: ops.Softmax(ops.Add(MatMul(a, a), product)) }), {
    name: "DistillError",
    message:
      /^Device "cpu" has no kernel for MatMul of bfloat16\. It has one for float32, float16, float64: Cast to one/,
  });
  const rows = ops.Reshape(input("rows", "float32", [2 ** 11, 2 ** 10]), { shape: [2 ** 11, 2 ** 10] });
  const narrow = tiled(([x]) => [ops.Cast(ops.Exp(ops.Cast(x!, { to: "int32" })), { to: "float32" })], [rows]);
  await assert.rejects(device.compile({ y: narrow[0]! }), /has no kernel for Exp of int32\. It has one for float32/);
});

test("a kernel that takes no halves only when it runs is named then", async () => {
  const device = await opened("cpu");
  const program = await device.compile({ y: CASES.ScatterElements!("float16") });
  const halves = (shape: number[]) => tensor("float16", shape, new Uint16Array(shape[0]! * shape[1]!));
  await assert.rejects(
    program.run({ x: halves([2, 4]), ids: tensor("int32", [2, 2], [0, 1, 2, 3]), u: halves([2, 2]) }),
    {
      name: "DistillError",
      message: /^Device "cpu" has no kernel for ScatterElements of float16\. Cast to float32/,
    },
  );
});

test("what a device of which some kernels lie on the CPU computes is not asked of its own", { skip }, async () => {
  const device = await openDevice("webgpu");
  const sum = ops.Add(input("a", "int64", [2]), scalar(1, "int64"));
  const program = await device.compile({ sum });
  const { sum: found } = await program.run({ a: tensor("int64", [2], [3, 4]) });
  assert.deepEqual([...(found!.data as BigInt64Array)], [4n, 5n]);
  await device.close();
});

test("a constant of integers holds integers", async () => {
  const device = await opened("cpu");
  for (const dtype of ["int64", "int32", "uint8"] as const)
    await assert.rejects(device.compile({ y: ops.Add(x(dtype), scalar(0.5, dtype)) }), {
      name: "ShapeError",
      message: `A constant of ${dtype} was given 0.5.`,
    });
});

after(async () => {
  for (const device of devices.values()) await (await device).close();
});
