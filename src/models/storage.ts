/** @file How a weight that is not trained lies in memory. It is widened where a program uses it, and only while it does. */

import { DistillError } from "../core/errors.ts";
import { convert, fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "../formats/float16.ts";
import { encodeGgml } from "../formats/ggml.ts";
import { type DType, input, type Value } from "../graph/value.ts";
import { strictlyAfter } from "../ops/after.ts";
import { BitCast, Cast, DequantizeLinear, Gather } from "../ops/index.ts";
import type { Parameter } from "./model.ts";

/** q8_0 is ggml's: blocks of 32 with a half as scale. */
export const BASE_DTYPES = ["float32", "float16", "bfloat16", "q8_0"] as const;
export type BaseDtype = (typeof BASE_DTYPES)[number];

/** What the elements are that a program is fed of each; bfloat16 is fed as its bits. */
const FED: Record<BaseDtype, DType> = { float32: "float32", float16: "float16", bfloat16: "uint16", q8_0: "int8" };

/** Throw where a device cannot widen weights that are kept so. */
export function requireWidened(
  base: BaseDtype,
  { name, target: { widens } }: { name: string; target: { widens: readonly DType[] } },
): void {
  const can = BASE_DTYPES.filter((dtype) => widens.includes(FED[dtype]));
  if (!can.includes(base))
    throw new DistillError(
      `Device "${name}" has no kernels that widen ${base}. Set trainer.base_dtype to one of: ${can.join(", ")}.`,
    );
}

/** A tensor in host memory, as the runtime takes it. */
export type StoredTensor = {
  name: string;
  dtype: DType;
  shape: readonly number[];
  data: Float32Array | Uint16Array | Int8Array;
};

export type Storage = {
  /** What the tensors are called that hold it. */
  names: readonly string[];
  encode(data: Float32Array): StoredTensor[];
  decode(tensors: readonly StoredTensor["data"][]): Float32Array;
  /** The whole weight, once `use` is there. */
  whole(use?: Value): Value;
  /** The rows that `indices` name. */
  rows(indices: Value): Value;
};

const BLOCK = 32;

/** How `parameter` is kept; vectors, and rows that do not end with a block of q8_0, stay in `dtype`. */
export function storageOf(parameter: Parameter, base: BaseDtype, dtype: DType): Storage {
  const { shape } = parameter;
  if (base === "float32" || shape.length < 2) return plain(parameter, dtype);
  if (base === "q8_0") return shape[1]! % BLOCK === 0 ? inBlocks(parameter, dtype) : plain(parameter, dtype);
  return halves(parameter, base, dtype);
}

function plain({ name, shape }: Parameter, dtype: DType): Storage {
  const weight = input(name, dtype, shape);
  return {
    names: [name],
    encode: (data) => [{ name, dtype: "float32", shape, data }],
    decode: ([data]) => data as Float32Array,
    whole: () => weight,
    rows: (indices) => Gather(weight, indices),
  };
}

/** A program takes the bits of bfloat16 for what they are. */
function halves({ name, shape }: Parameter, base: "float16" | "bfloat16", to: DType): Storage {
  const dtype = FED[base];
  const [narrow, widen] = base === "float16" ? [toFloat16, fromFloat16] : [toBfloat16, fromBfloat16];
  const weight = input(name, dtype, shape);
  const float = (x: Value) => Cast(base === "float16" ? x : BitCast(x, { to: "bfloat16" }), { to });
  return {
    names: [name],
    encode(data) {
      const half = convert(data, new Uint16Array(data.length), narrow);
      const beyond = base === "float16" ? half.findIndex((x) => (x & 0x7c00) === 0x7c00) : -1;
      if (beyond >= 0)
        throw new DistillError(
          `The weight ${name} holds ${data[beyond]}, and half precision ends at 65504. Set trainer.base_dtype to bfloat16.`,
        );
      return [{ name, dtype, shape, data: half }];
    },
    decode: ([data]) => convert(data!, new Float32Array(data!.length), widen),
    whole: (use) => float(use ? strictlyAfter(weight, use) : weight),
    rows: (indices) => float(Gather(weight, indices)),
  };
}

function inBlocks({ name, shape }: Parameter, to: DType): Storage {
  const [rows, width] = shape as [number, number];
  const [integerName, scaleName] = [`${name}.q8_0`, `${name}.scales`];
  const dtype = FED.q8_0;
  const integers = input(integerName, dtype, [rows, width]);
  const scales = input(scaleName, "float16", [rows, width / BLOCK]);
  const attrs = { block_size: BLOCK };
  return {
    names: [integerName, scaleName],
    encode(data) {
      const [q, d] = [new Int8Array(data.length), new Uint16Array(data.length / BLOCK)];
      const bytes = new DataView(encodeGgml("Q8_0", data).buffer);
      for (let block = 0, at = 0; block < d.length; block++, at += 2 + BLOCK) {
        d[block] = bytes.getUint16(at, true);
        q.set(new Int8Array(bytes.buffer, at + 2, BLOCK), block * BLOCK);
      }
      return [
        { name: integerName, dtype, shape: [rows, width], data: q },
        { name: scaleName, dtype: "float16", shape: [rows, width / BLOCK], data: d },
      ];
    },
    decode([q, d]) {
      const scale = convert(d!, new Float32Array(d!.length), fromFloat16);
      return convert(q!, new Float32Array(q!.length), (x, i) => x * scale[Math.floor(i / BLOCK)]!);
    },
    whole: (use) => DequantizeLinear(integers, Cast(use ? strictlyAfter(scales, use) : scales, { to }), attrs),
    rows: (indices) => DequantizeLinear(Gather(integers, indices), Cast(Gather(scales, indices), { to }), attrs),
  };
}
