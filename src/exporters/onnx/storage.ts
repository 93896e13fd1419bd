/** @file How each weight lies in the file: which type, which way round, in blocks or not; the graph is rewritten to read it so. */

import { DistillError } from "../../core/errors.ts";
import { BLOCK_SIZE, type Integers, quantizeBlocks, ZEROS } from "../../formats/block-quantization.ts";
import { toFloat16 } from "../../formats/float16.ts";
import { ELEMENT_BYTES, type ElementType, type StoredTensor } from "../../formats/onnx.ts";
import { rewrite } from "../../graph/rewrite.ts";
import { elements } from "../../graph/shape.ts";
import { constant, type DType, input, scalar, toposort, type Value } from "../../graph/value.ts";
import type { Model, Parameter } from "../../models/model.ts";
import { Cast, Concat, Gather, MatMul, MatMulNBits, Mul, Reshape, Sub, Transpose } from "../../ops/index.ts";

export const DTYPES = ["fp32", "fp16", "q8", "q4", "q4f16"] as const;
export type ExportDtype = (typeof DTYPES)[number];

/** What a file computes in, and keeps its cache in. */
export const computedIn = (dtype: ExportDtype): FloatType => (dtype.endsWith("16") ? "float16" : "float32");

/** A weight as tensors of the file, and how their bytes are made of it. */
export type Stored = {
  readonly weight: string;
  readonly tensors: readonly StoredTensor[];
  encode(data: Float32Array): Uint8Array[];
};

/** How a matrix is read: in a product, or by rows. */
type Use = "multiplied" | "gathered";

/**
 * `outputs` reading the weights of `model` as they are stored, and how that is, in the order of its parameters. `eight` says
 * how bytes are multiplied by: as they are, or as two halves, which programs without products of 8 bits can.
 */
export function store(
  outputs: readonly Value[],
  model: Model,
  dtype: ExportDtype,
  eight: "8" | "4+4",
): { outputs: Value[]; stored: Stored[] } {
  const uses = usesOf(outputs, new Set(model.parameters.map(({ name }) => name)));
  const storages = new Map(
    model.parameters.map((parameter) => {
      const { name } = parameter;
      // the embedding and the head have the last word: in eight bits they cost little and keep most of what four would lose
      const four = dtype.startsWith("q4") && name !== model.head.name && !uses.get(name)!.has("gathered");
      return [name, storageOf(parameter, uses.get(name)!, dtype, four ? "4" : eight)];
    }),
  );
  const rewritten = rewrite(outputs, (value, inputs) => {
    const used = weightOf(value);
    const storage = used && storages.get(used.weight.name!);
    if (!storage) return undefined;
    return used.use === "multiplied" ? storage.multiply?.(inputs[0]!) : storage.gather?.(inputs[1]!);
  });
  return { outputs: rewritten, stored: [...storages.values()].map(({ stored }) => stored) };
}

/** The weight that a node multiplies by, or of which it gathers rows. */
function weightOf({ node }: Value): { weight: Value; use: Use } | undefined {
  if (node?.op === Gather && node.inputs[0]!.name) return { weight: node.inputs[0]!, use: "gathered" };
  const turned = node?.op === MatMul ? node.inputs[1]!.node : undefined;
  if (turned?.op === Transpose && turned.inputs[0]!.name) return { weight: turned.inputs[0]!, use: "multiplied" };
  return undefined;
}

function usesOf(outputs: readonly Value[], names: ReadonlySet<string>): Map<string, Set<Use>> {
  const uses = new Map([...names].map((name) => [name, new Set<Use>()]));
  for (const value of toposort(...outputs)) {
    const used = weightOf(value);
    if (used) uses.get(used.weight.name!)?.add(used.use);
  }
  return uses;
}

type Storage = {
  stored: Stored;
  /** x W', where it is not written as the model has it. */
  multiply?(x: Value): Value;
  /** The rows of W by indices, where it is not written as the model has it. */
  gather?(indices: Value): Value;
};

function storageOf(parameter: Parameter, uses: ReadonlySet<Use>, dtype: ExportDtype, integers: Integers): Storage {
  const { shape } = parameter;
  const matrix = shape.length === 2 && uses.size > 0;
  const type = computedIn(dtype);
  // rows that do not end with a block stay as they are: not every provider pads them alike
  if (matrix && dtype.startsWith("q") && shape[1]! % BLOCK_SIZE === 0) return inBlocks(parameter, integers, type);
  return matrix && !uses.has("gathered") ? turned(parameter, type) : plain(parameter, type);
}

/** As it stands. Where a product reads it too, the product turns it when the file is loaded: the file has it once. */
function plain({ name, shape }: Parameter, type: FloatType): Storage {
  return {
    stored: { weight: name, tensors: [tensorOf(name, type, shape)], encode: (data) => [floats(name, data, type)] },
  };
}

/** [in, out], which a product reads as it stands. */
function turned({ name, shape }: Parameter, type: FloatType): Storage {
  const [rows, columns] = shape as [number, number];
  const tensor = tensorOf(`${name}.transposed`, type, [columns, rows]);
  return {
    stored: { weight: name, tensors: [tensor], encode: (data) => [floats(name, transpose(data, rows, columns), type)] },
    multiply: (x) => MatMul(x, input(tensor.name, type, tensor.dims)),
  };
}

/**
 * In blocks along the input. Rows are gathered and widened in plain ops: ONNX Runtime's op for that has no kernel in the
 * build that browsers without WebGPU run.
 */
function inBlocks({ name, shape }: Parameter, integers: Integers, type: FloatType): Storage {
  const [rows, columns] = shape as [number, number];
  const blocks = columns / BLOCK_SIZE;
  const halved = integers === "4+4";
  const bytes = tensorOf(`${name}.q${integers === "4" ? 4 : 8}`, "uint8", [
    rows,
    blocks,
    integers === "4" ? BLOCK_SIZE / 2 : BLOCK_SIZE,
  ]);
  const scale = tensorOf(`${name}.scales`, type, [rows, blocks]);
  const [packed, scales] = [bytes, scale].map(({ name, elemType, dims }) => input(name, elemType as DType, dims)) as [
    Value,
    Value,
  ];
  return {
    stored: {
      weight: name,
      tensors: [bytes, scale],
      encode(data) {
        const { packed, scales } = quantizeBlocks(data, integers);
        return [packed, floats(name, halved ? scales.map((scale) => SIXTEEN * scale) : scales, type)];
      },
    },
    multiply(x) {
      if (!halved) return MatMulNBits(x, packed, scales, { bits: integers === "4" ? 4 : 8, block_size: BLOCK_SIZE });
      // the low half of each byte meets x / 16, the high one x
      const wide = Mul(Reshape(x, { shape: [...x.shape, 1] }), constant([1 / SIXTEEN, 1], x.dtype));
      const twice = Reshape(wide, { shape: [...x.shape.slice(0, -1), 2 * columns] });
      // blocks of 32 again, with a scale for each of two: some kernels of browsers are wrong for blocks of 64
      const each = Reshape(scales, { shape: [rows, blocks, 1] });
      const doubled = Reshape(Concat(each, each, { axis: 2 }), { shape: [rows, 2 * blocks] });
      const bytes = Reshape(packed, { shape: [rows, 2 * blocks, BLOCK_SIZE / 2] });
      return MatMulNBits(twice, bytes, doubled, { bits: 4, block_size: BLOCK_SIZE });
    },
    gather(indices) {
      const whole = Cast(Gather(packed, indices), { to: type }); // [..., blocks, block_size]
      const scale = Reshape(Gather(scales, indices), { shape: [...indices.shape, blocks, 1] });
      const shifted = Sub(whole, scalar(ZEROS[integers], type));
      const widened = Mul(halved ? Mul(shifted, scalar(1 / SIXTEEN, type)) : shifted, scale);
      return Reshape(widened, { shape: [...indices.shape, columns] });
    },
  };
}

/** What the high half of a byte counts. */
const SIXTEEN = 16;

type FloatType = "float32" | "float16";
const tensorOf = (name: string, elemType: ElementType, dims: readonly number[]): StoredTensor => ({
  name,
  elemType,
  dims,
  bytes: elements(dims) * ELEMENT_BYTES[elemType],
});

function floats(name: string, data: Float32Array, type: FloatType): Uint8Array {
  const { buffer, byteOffset, byteLength } = type === "float32" ? data : halves(name, data);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

const LARGEST_HALF = 65504;

function halves(name: string, data: Float32Array): Uint16Array {
  const result = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!;
    if (Math.abs(x) > LARGEST_HALF)
      throw new DistillError(
        `The weight ${name} holds ${x}, and half precision ends at ${LARGEST_HALF}. Export fp32, q8 or q4.`,
      );
    result[i] = toFloat16(x);
  }
  return result;
}

function transpose(data: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[c * rows + r] = data[r * columns + c]!;
  return result;
}
