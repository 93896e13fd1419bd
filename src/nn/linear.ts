import type { Value } from "../graph/value.ts";
import { MatMul } from "../ops/index.ts";
import { transposed } from "../ops/matmul.ts";

/** A product with a matrix that it knows: [..., in] → [..., out]. */
export type Linear = (x: Value) => Value;

/** x W': x [tokens, in], weight [out, in] as Hugging Face stores it: [tokens, out]. */
export const linear = (x: Value, weight: Value): Value => MatMul(x, transposed(weight));
