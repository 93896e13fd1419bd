import { type Binary, defineOp, type Unary } from "../graph/op.ts";
import { scalar, type TensorType } from "../graph/value.ts";
import { Add, Mul, Sub } from "./elementwise.ts";

const same = (_: object, { dtype, shape }: TensorType) => ({ dtype, shape });

export const Sigmoid: Unary = defineOp("Sigmoid", {
  infer: same,
  gradient: ({ dy, y }) => [Mul(dy, Mul(y, Sub(scalar(1, y.dtype), y)))],
});

export const Tanh: Unary = defineOp("Tanh", {
  infer: same,
  gradient: ({ dy, y }) => [Mul(dy, Sub(scalar(1, y.dtype), Mul(y, y)))],
});

/** x·σ(x), the "swish" of arXiv:1710.05941. ONNX Runtime has it in one kernel as QuickGelu with alpha 1. */
export const Silu: Unary = defineOp("QuickGelu", {
  infer: same,
  expand: (_, x) => Mul(x, Sigmoid(x)),
  // d(xσ) = σ + xσ(1 - σ) = σ(1 + x - xσ)
  gradient: ({ dy, y }, x) => [Mul(dy, Mul(Sigmoid(x), Add(Sub(x, y), scalar(1, x.dtype))))],
  spelling: { domain: "com.microsoft", attributes: () => ({ alpha: { float: 1 } }) },
});

/** silu(gate)·up, the inner part of a gated feed-forward (arXiv:2002.05202). */
export const GatedSilu: Binary = defineOp("gatedSilu", {
  infer: same,
  cheap: true,
  expand: (_, gate, up) => Mul(Silu(gate), up),
  gradient({ dy }, gate, up) {
    const s = Sigmoid(gate);
    const silu = Mul(gate, s);
    const slope = Mul(s, Add(Sub(gate, silu), scalar(1, gate.dtype)));
    return [Mul(Mul(dy, up), slope), Mul(dy, silu)];
  },
});
