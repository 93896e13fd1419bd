export { GatedGelu, GatedSilu, Sigmoid, Silu, Tanh } from "./activation.ts";
export { After } from "./after.ts";
export {
  Add,
  And,
  BitCast,
  Cast,
  Div,
  Equal,
  Exp,
  GreaterOrEqual,
  LessOrEqual,
  Log,
  Mul,
  Neg,
  Pow,
  Reciprocal,
  Sqrt,
  Sub,
  Where,
} from "./elementwise.ts";
export { Gather, GatherElements, Overwrite, ScatterElements } from "./gather.ts";
export { MatMul } from "./matmul.ts";
export { Concat, Expand, Part, Reshape, Slice, Split, Transpose } from "./movement.ts";
export {
  ExpOfLogSoftmax,
  LogSoftmax,
  LogSoftmaxAt,
  SimplifiedLayerNormalization,
  Softmax,
  UnitNorm,
} from "./normalization.ts";
export { DequantizeLinear, MatMulNBits } from "./quantized.ts";
export { ReduceMax, ReduceMean, ReduceSum, ReduceSumSquare } from "./reduce.ts";
export { RotaryEmbedding, RotaryEmbeddingAt, RotaryEmbeddingOfHeads, RotaryEmbeddingOfKinds } from "./rotary.ts";
export { Scan } from "./scan.ts";
export { Range, Shape } from "./sizes.ts";
export { TopK } from "./top-k.ts";
