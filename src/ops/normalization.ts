import { apply, defineOp, type Op } from "../graph/op.ts";
import { type Dim, type DType, scalar, type TensorType, type Value } from "../graph/value.ts";
import { Add, Cast, Div, Exp, Log, Mul, Reciprocal, Sqrt, Sub } from "./elementwise.ts";
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
    // with x̂ = x r and g = dy·weight: dx = (g - x̂ mean(g x̂)) r, dweight = Σ dy x̂
    gradient({ dy, attrs: { epsilon } }, x, weight) {
      const { normal, r } = normalised(x, epsilon);
      const product = Mul(dy, normal);
      const mean = narrow(ReduceMean(wide(Mul(product, weight)), last(x)), x.dtype);
      return [Mul(Sub(Mul(dy, weight), Mul(normal, mean)), narrow(r, x.dtype)), product];
    },
    spelling: {
      kernels: { cpu: ["float32"], portable: [] }, // no op of ONNX's, though ONNX Runtime has it among them
      attributes: ({ epsilon }) => ({ axis: -1, epsilon: { float: epsilon } }),
    },
  },
);

/** x̂ = x r, and r = 1 / sqrt(mean(x²) + epsilon), which is [..., 1] and never in half precision. */
function normalised(x: Value, epsilon: number): { normal: Value; r: Value } {
  const width = x.shape.at(-1)!;
  const ones: Value = { data: 1, dtype: x.dtype, shape: [width] };
  const both = NormalAndRstd(x, ones, { epsilon });
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

const wide = (x: Value): Value => (x.dtype === "float16" ? Cast(x, { to: "float32" }) : x);
const narrow = (x: Value, dtype: DType): Value => (x.dtype === dtype ? x : Cast(x, { to: dtype }));
