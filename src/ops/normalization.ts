import { apply, defineOp, type Op } from "../graph/op.ts";
import { type Dim, type DType, scalar, type TensorType, type Value } from "../graph/value.ts";
import { strictlyAfter } from "./after.ts";
import { Add, Cast, Div, Exp, Log, Mul, Reciprocal, Sqrt, Sub } from "./elementwise.ts";
import { GatherElements } from "./gather.ts";
import { Part, Reshape } from "./movement.ts";
import { ReduceMax, ReduceMean, ReduceSum } from "./reduce.ts";
import { Tuple } from "./scan.ts";

const same = (_: object, { dtype, shape }: TensorType) => ({ dtype, shape });
const last = (x: Value) => ({ axes: [x.shape.length - 1] });

/** Over the last axis. */
export const Softmax: Op<[x: Value]> = defineOp("Softmax", {
  infer: same,
  expand(_, x) {
    const e = Exp(Sub(x, ReduceMax(x, last(x))));
    return Div(e, ReduceSum(e, last(x)));
  },
  gradient({ dy, y }) {
    const dyy = Mul(dy, y);
    return [Sub(dyy, Mul(y, ReduceSum(dyy, last(y))))];
  },
  spelling: { attributes: () => ({ axis: -1 }) },
});

/** Over the last axis. */
export const LogSoftmax: Op<[x: Value]> = defineOp("LogSoftmax", {
  infer: same,
  expand(_, x) {
    const shifted = Sub(x, ReduceMax(x, last(x)));
    return Sub(shifted, Log(ReduceSum(Exp(shifted), last(x))));
  },
  gradient: ({ dy, y }) => [Sub(dy, Mul(Exp(y), ReduceSum(dy, last(y))))],
  spelling: { kernels: { webgpu: [], portable: [] }, attributes: () => ({ axis: -1 }) },
});

/** What LogSoftmax is at `ids` int32 [n, k] of x [n, m]: [n, k]. */
export const LogSoftmaxAt: Op<[x: Value, ids: Value]> = defineOp("logSoftmaxAt", {
  infer: (_, { dtype }, { shape }) => ({ dtype, shape }),
  expand: (_, x, ids) => GatherElements(LogSoftmax(x), ids, { axis: 1 }),
  // the largest probability is e^(largest - log Σ e^x), and never too small for its logarithm
  inFewKernels(_, x, ids) {
    const largest = Log(ReduceMax(Softmax(x), last(x)));
    return Add(Sub(GatherElements(x, ids, { axis: 1 }), ReduceMax(x, last(x))), largest);
  },
});

/** e to the power of LogSoftmax. */
export const ExpOfLogSoftmax: Op<[x: Value]> = defineOp("expOfLogSoftmax", {
  infer: same,
  expand: (_, x) => Exp(LogSoftmax(x)),
  // what LogSoftmaxAt reads of it is read first, so that what changes it may write over it
  inFewKernels: (_, x) => strictlyAfter(Softmax(x), ReduceMax(Softmax(x), last(x))),
});

/** RMSNorm (arXiv:1910.07467) over the last axis: x / sqrt(mean(x²) + epsilon) · weight. */
export const SimplifiedLayerNormalization: Op<[x: Value, weight: Value, attrs: { epsilon: number }]> = defineOp(
  "SimplifiedLayerNormalization",
  {
    infer: same,
    cheap: true,
    // x + x in place of x: twice the length and four times its square, so with 4 epsilon the same
    expand({ epsilon }, x, weight) {
      if (x.shape.length < 4) return SkipSimplifiedLayerNormalization(x, x, weight, { epsilon: 4 * epsilon });
      const [rows, ...rest] = x.shape as [Dim, ...Dim[]];
      const narrow = Reshape(x, { shape: [rows, rest.slice(0, -1).join("·"), rest.at(-1)!] });
      return Reshape(SimplifiedLayerNormalization(narrow, weight, { epsilon }), { shape: x.shape });
    },
    gradient({ dy, attrs }, x, weight) {
      const both = NormGradients(dy, x, weight, attrs);
      const [dx, sum] = gradientShapes(x).map((shape, index) => Part(both, { index, shape }));
      return [dx!, Reshape(sum!, { shape: weight.shape })];
    },
    spelling: {
      kernels: { cpu: ["float32"], portable: [] }, // no op of ONNX's, though ONNX Runtime has it among them
      attributes: ({ epsilon }) => ({ axis: -1, epsilon: { float: epsilon } }),
    },
  },
);

/** The shapes of the gradients of x, and of the weight with all axes of x. */
const gradientShapes = ({ shape }: Value) => [shape, shape.map((dim, i) => (i + 1 < shape.length ? 1 : dim))];

/** Those gradients, as parts of it. */
const NormGradients: Op<[dy: Value, x: Value, weight: Value, attrs: { epsilon: number }]> = defineOp("normGradients", {
  infer: (_, dy) => dy,
  parts: () => 2,
  // with x̂ = x r and g = dy·weight: dx = (g - x̂ mean(g x̂)) r, dweight = Σ dy x̂
  expand({ epsilon }, dy, x, weight) {
    const { normal, r } = normalised(x, epsilon);
    const product = Mul(dy, normal);
    const weighed = (x: Value) => (weight.data === 1 ? x : Mul(x, weight));
    const mean = narrow(ReduceMean(wide(weighed(product)), last(x)), x.dtype);
    const dx = Mul(Sub(weighed(dy), Mul(normal, mean)), narrow(r, x.dtype));
    const axes = x.shape.slice(0, -1).map((_, axis) => axis);
    return apply(Tuple, [dx, ReduceSum(product, { axes })], {});
  },
  // what is summed is widened once, and narrowed at last
  inFewKernels(attrs, ...inputs) {
    const { dtype } = inputs[0]!;
    if (dtype !== "float16") return undefined;
    const both = NormGradients(...(inputs.map(wide) as [Value, Value, Value]), attrs);
    const parts = gradientShapes(inputs[1]!).map((shape, index) => narrow(Part(both, { index, shape }), dtype));
    return apply(Tuple, parts, {});
  },
});

/**
 * RMSNorm without a weight, x̂ = x r. Its gradient reads x̂ and r of the forward pass, so that x need not be kept: nothing is
 * computed again.
 */
export const UnitNorm: Op<[x: Value, attrs: { epsilon: number }]> = defineOp("unitNorm", {
  infer: same,
  expand: ({ epsilon }, x) => SimplifiedLayerNormalization(x, onesOf(x), { epsilon }),
  inFewKernels: ({ epsilon }, x) => (x.dtype === "float32" ? Mul(x, rstd(x, epsilon)) : undefined),
  // dx = g r - x̂ mean(g r x̂)
  gradient({ dy, y, attrs: { epsilon } }, x) {
    const scaled = Mul(dy, rstd(x, epsilon));
    return [Sub(scaled, Mul(y, ReduceMean(Mul(scaled, y), last(x))))];
  },
});

const onesOf = ({ dtype, shape }: Value): Value => ({ data: 1, dtype, shape: [shape.at(-1)!] });

/** x̂ = x r, and r = 1 / sqrt(mean(x²) + epsilon), which is [..., 1] and never in half precision. */
function normalised(x: Value, epsilon: number): { normal: Value; r: Value } {
  const both = NormalAndRstd(x, onesOf(x), { epsilon });
  return {
    normal: Part(both, { index: 0, shape: x.shape }),
    r: Part(both, { index: 1, shape: x.shape.with(-1, 1), to: x.dtype === "float16" ? "float32" : x.dtype }),
  };
}

/** SimplifiedLayerNormalization with both of its outputs; on WebGPU the second holds anything. */
export const NormalAndRstd: typeof SimplifiedLayerNormalization = defineOp("SimplifiedLayerNormalization", {
  infer: same,
  expand: ({ epsilon }, x, weight) =>
    apply(Tuple, [SimplifiedLayerNormalization(x, weight, { epsilon }), rstd(x, epsilon)], {}),
  parts: () => 2,
  spelling: {
    kernels: { cpu: ["float32"], webgpu: [], portable: [] },
    attributes: ({ epsilon }) => ({ axis: -1, epsilon: { float: epsilon } }),
  },
});

/**
 * x of which each row [rows, width] of [1, rows, width] has its own scale, shift, mean and variance, [rows] each:
 * (x - mean) / √(variance + epsilon) · scale + shift. Of arithmetic on rows it is several kernels in one.
 */
export const BatchNormalization: Op<
  [x: Value, scale: Value, shift: Value, mean: Value, variance: Value, attrs: { epsilon: number }]
> = defineOp("BatchNormalization", {
  infer: same,
  spelling: {
    kernels: { cpu: ["float32", "float64"], cuda: [], portable: [] },
    attributes: ({ epsilon }) => ({ epsilon: { float: epsilon } }),
  },
});

/** RMSNorm of x + skip, both [rows, width] or [rows, length, width]. */
export const SkipSimplifiedLayerNormalization: Op<[x: Value, skip: Value, weight: Value, attrs: { epsilon: number }]> =
  defineOp("SkipSimplifiedLayerNormalization", {
    infer: same,
    expand({ epsilon }, x, skip, weight) {
      const [sum, e] = x === skip ? [x, epsilon / 4] : [Add(x, skip), epsilon];
      return Mul(Mul(sum, narrow(rstd(sum, e), x.dtype)), weight);
    },
    spelling: {
      domain: "com.microsoft",
      kernels: { cpu: [], webgpu: [], cuda: [] }, // in programs of our own SimplifiedLayerNormalization is one
      attributes: ({ epsilon }) => ({ epsilon: { float: epsilon } }),
    },
  });

/** 1 / sqrt(mean(x²) + epsilon), with the last axis kept as 1; statistics are never in half precision. */
function rstd(x: Value, epsilon: number): Value {
  const w = wide(x);
  return Reciprocal(Sqrt(Add(ReduceMean(Mul(w, w), last(w)), scalar(epsilon, w.dtype))));
}

function wide(x: Value): Value {
  if (x.dtype !== "float16") return x;
  return x.data === 1 ? { ...x, dtype: "float32" } : Cast(x, { to: "float32" });
}
const narrow = (x: Value, dtype: DType): Value => (x.dtype === dtype ? x : Cast(x, { to: dtype }));
