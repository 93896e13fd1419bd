import { apply, type Binary, defineOp, type Op, type Unary } from "../graph/op.ts";
import { scalar, type TensorType, type Value } from "../graph/value.ts";
import { Einsum, isOneProduct, Product } from "./einsum.ts";
import { Add, Mul, Sub } from "./elementwise.ts";
import { Part, Reshape } from "./movement.ts";
import { Tuple, tiled } from "./scan.ts";

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
  // its sigmoid has other uses in the gradient
  inFewKernels: (_, gate, up) => (isOneProduct(gate) ? Product(gate, Sigmoid(gate), up) : undefined),
  gradient({ dy, y }, ...operands) {
    const both = GatedSiluGradients(dy, y, ...(operands as [Value, Value]));
    return operands.map(({ shape }, index) => Part(both, { index, shape }));
  },
});

const GatedSiluGradients: Op<[dy: Value, y: Value, gate: Value, up: Value]> = defineOp("gatedSiluGradients", {
  infer: same,
  parts: () => 2,
  expand: (_, ...inputs) =>
    apply(
      Tuple,
      tiled((items) => gatedSiluGradients(items), inputs),
      {},
    ),
  inFewKernels: (_, dy, y, gate, up) =>
    isOneProduct(gate) ? apply(Tuple, gatedSiluGradients([dy, y, gate, up], sigmoidIn(y)), {}) : undefined,
});

/** σ(gate) of silu(gate)·up, as a product of three. */
function sigmoidIn(y: Value): Value | undefined {
  const product = y.node?.op === Reshape ? y.node.inputs[0]!.node : undefined;
  const s = product?.op === Einsum ? product.inputs[1]! : undefined;
  return s?.node?.op === Reshape && s.node.inputs[0]!.node?.op === Sigmoid ? s.node.inputs[0] : undefined;
}

/** d(xσ) = σ + xσ(1 - σ), which times up is y + σ(up - y) */
function gatedSiluGradients([dy, y, gate, up]: readonly Value[], s = Sigmoid(gate!)): Value[] {
  return [Mul(dy!, Add(y!, Mul(s, Sub(up!, y!)))), Product(dy!, gate!, s)];
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
