import { DistillError } from "../core/errors.ts";
import type { DType } from "../graph/value.ts";

export type TensorData =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int32Array
  | BigInt64Array
  | Int8Array
  | Uint8Array;

/** A tensor in host memory, row-major. float16 is its bits in a Uint16Array, bool a byte. */
export type Tensor = { readonly dtype: DType; readonly shape: readonly number[]; readonly data: TensorData };

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  bool: Uint8Array,
};

/** A tensor of `data`, checked against its shape. */
export function tensor(dtype: DType, shape: readonly number[], data: TensorData | readonly number[]): Tensor {
  const array = Array.isArray(data) ? fromNumbers(dtype, data as number[]) : (data as TensorData);
  const count = shape.reduce((a, b) => a * b, 1);
  if (array.length !== count || !(array instanceof ARRAYS[dtype]))
    throw new DistillError(
      `A ${dtype} tensor of shape [${shape}] needs ${count} elements in a ${ARRAYS[dtype].name}; got ${array.length} in a ${array.constructor.name}.`,
    );
  return { dtype, shape, data: array };
}

function fromNumbers(dtype: DType, data: readonly number[]): TensorData {
  return dtype === "int64" ? BigInt64Array.from(data, BigInt) : (ARRAYS[dtype] as typeof Float32Array).from(data);
}

/** Zeros for a tensor. */
export const emptyData = (dtype: DType, shape: readonly number[]): TensorData =>
  new ARRAYS[dtype](shape.reduce((a, b) => a * b, 1));

export const scalarTensor = (value: number, dtype: DType = "float32"): Tensor => tensor(dtype, [], [value]);

/** Tensors as one [tensors, …]. Those that are shorter than the longest along the first axis are padded with zeros. */
export function stack(tensors: readonly Tensor[]): Tensor {
  const { dtype, shape } = tensors[0]!;
  const longest = shape.length > 0 ? [Math.max(...tensors.map((x) => x.shape[0]!)), ...shape.slice(1)] : shape;
  const size = longest.reduce((a, b) => a * b, 1);
  const data = new ARRAYS[dtype](tensors.length * size) as Float32Array;
  for (const [i, x] of tensors.entries()) data.set(x.data as Float32Array, i * size);
  return tensor(dtype, [tensors.length, ...longest], data);
}

/** All elements as doubles. */
export const toNumbers = ({ data }: Tensor): number[] => Array.from(data as ArrayLike<number | bigint>, Number);
