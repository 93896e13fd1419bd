import { type Binary, defineOp, type Unary } from "../graph/op.ts";
import { scalar, type TensorType, type Value } from "../graph/value.ts";
import { Add, Mul, Sub } from "./elementwise.ts";
import { tiled } from "./scan.ts";

const same = (_: object, { dtype, shape }: TensorType) => ({ dtype, shape });

export const Sigmoid: Unary = defineOp("Sigmoid", {
  infer: same,
  inPlace: true,
  gradient: ({ dy, y }) => [Mul(dy, Mul(y, Sub(scalar(1, y.dtype), y)))],
});

export const Tanh: Unary = defineOp("Tanh", {
  infer: same,
  inPlace: true,
  gradient: ({ dy, y }) => [Mul(dy, Sub(scalar(1, y.dtype), Mul(y, y)))],
});

/** x·σ(x), the "swish" of arXiv:1710.05941. ONNX Runtime has it in one kernel as QuickGelu with alpha 1. */
export const Silu: Unary = defineOp("QuickGelu", {
  infer: same,
  expand: (_, x) => Mul(x, Sigmoid(x)),
  // d(xσ) = σ + xσ(1 - σ) = σ(1 + x - xσ)
  gradient: ({ dy, y }, x) => [Mul(dy, Mul(Sigmoid(x), Add(Sub(x, y), scalar(1, x.dtype))))],
  spelling: {
    domain: "com.microsoft",
    kernels: { cpu: ["float32"] },
    attributes: () => ({ alpha: { float: 1 } }),
  },
});

/** silu(gate)·up, the inner part of a gated feed-forward (arXiv:2002.05202). */
export const GatedSilu: Binary = defineOp("gatedSilu", {
  infer: same,
  cheap: true,
  expand: (_, gate, up) => Mul(Silu(gate), up),
  gradient: ({ dy, y }, ...operands) => tiled(gatedSiluGradients, [dy, y, ...operands]),
});

/** d(xσ) = σ + xσ(1 - σ), which times up is y + σ(up - y) */
function gatedSiluGradients([dy, y, gate, up]: readonly Value[]): Value[] {
  const s = Sigmoid(gate!);
  return [Mul(dy!, Add(y!, Mul(s, Sub(up!, y!)))), Mul(dy!, Mul(gate!, s))];
}

/** gelu(gate)·up with the GELU of tanh (arXiv:1606.08415): x (1 + tanh u) / 2 = x·σ(2u), 2u = c x (1 + a x²). */
export const GatedGelu: Binary = defineOp("gatedGelu", {
  infer: same,
  cheap: true,
  expand: (_, gate, up) => Mul(Mul(gate, Sigmoid(twiceU(gate))), up),
  gradient: ({ dy }, ...operands) => tiled(gatedGeluGradients, [dy, ...operands]),
});

/** d(xσ(2u)) = σ + xσ(1 - σ) c (1 + 3a x²) */
function gatedGeluGradients([dy, gate, up]: readonly Value[]): Value[] {
  const number = (x: number) => scalar(x, gate!.dtype);
  const s = Sigmoid(twiceU(gate!));
  const gelu = Mul(gate!, s);
  const inner = Add(number(GELU_C), Mul(number(3 * GELU_C * GELU_A), Mul(gate!, gate!)));
  const slope = Add(s, Mul(Mul(gelu, Sub(number(1), s)), inner));
  return [Mul(Mul(dy!, up!), slope), Mul(dy!, gelu)];
}

const GELU_C = 2 * Math.sqrt(2 / Math.PI);
const GELU_A = 0.044715;

const twiceU = (x: Value): Value =>
  Mul(x, Add(scalar(GELU_C, x.dtype), Mul(scalar(GELU_C * GELU_A, x.dtype), Mul(x, x))));
