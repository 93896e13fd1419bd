/** @file Matrices in blocks of small integers with one scale each. */

import { ShapeError } from "../core/errors.ts";
import { defineOp, type Op } from "../graph/op.ts";
import type { Value } from "../graph/value.ts";
import { Cast, Mul } from "./elementwise.ts";
import { Reshape } from "./movement.ts";
import { ReduceSum } from "./reduce.ts";

type Blocks = { bits: 4 | 8; block_size: number };

/** Integers of the last axis times the scale of their block: x int8 [..., width], scales [..., width / block_size]. */
export const DequantizeLinear: Op<[x: Value, scales: Value, attrs: { block_size: number }]> = defineOp(
  "DequantizeLinear",
  {
    infer({ block_size }, x, scales) {
      if (x.shape.at(-1) !== (scales.shape.at(-1) as number) * block_size)
        throw new ShapeError(
          `DequantizeLinear: [${x.shape}] is not in blocks of ${block_size} with scales [${scales.shape}].`,
        );
      return { dtype: scales.dtype, shape: x.shape };
    },
    cheap: true,
    expand: ({ block_size }, x, scales) => {
      const inBlocks = Reshape(Cast(x, { to: scales.dtype }), { shape: [...scales.shape, block_size] });
      return Reshape(Mul(inBlocks, Reshape(scales, { shape: [...scales.shape, 1] })), { shape: x.shape });
    },
    // of a block's scale: Σ dy·x over the block
    gradient({ dy, attrs: { block_size } }, x, scales) {
      const inBlocks = Reshape(Mul(dy, Cast(x, { to: dy.dtype })), { shape: [...scales.shape, block_size] });
      return [null, Reshape(ReduceSum(inBlocks, { axes: [scales.shape.length] }), { shape: scales.shape })];
    },
    spelling: {
      kernels: { cpu: ["float32"] },
      attributes: ({ block_size }, [x]) => ({ axis: x!.shape.length - 1, block_size }),
    },
  },
);

/**
 * x W' for a quantised W: x [..., width], blocks uint8 [rows, width / block_size, block_size·bits / 8], scales
 * [rows, width / block_size], element = scale of its block · (integer - 2^(bits - 1)).
 */
export const MatMulNBits: Op<[x: Value, blocks: Value, scales: Value, attrs: Blocks]> = defineOp("MatMulNBits", {
  infer({ block_size }, x, blocks, scales) {
    const [rows, count] = blocks.shape;
    if (scales.shape[0] !== rows || scales.shape[1] !== count || x.shape.at(-1) !== (count as number) * block_size)
      throw new ShapeError(
        `MatMulNBits: cannot multiply [${x.shape}] by blocks [${blocks.shape}] of ${block_size} with scales [${scales.shape}].`,
      );
    return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), rows!] };
  },
  cost: "product",
  spelling: {
    domain: "com.microsoft",
    attributes: ({ bits, block_size }, [x, blocks]) => ({
      bits,
      block_size,
      // x in 8-bit blocks: on the CPU 80 times as fast for one row as unpacking W of 8 bits, twice for 4; of halves the
      // CPU's kernels before 1.23 make NaN of it
      ...(x!.dtype === "float32" ? { accuracy_level: 4 } : {}),
      K: x!.shape.at(-1) as number,
      N: blocks!.shape[0] as number,
    }),
  },
});
