import { ShapeError } from "../core/errors.ts";
import { type Binary, defineOp, isFloat, type Op, type Unary } from "../graph/op.ts";
import { broadcast } from "../graph/shape.ts";
import { type DType, scalar, type TensorType, type Value } from "../graph/value.ts";

const same = (_: object, { dtype, shape }: TensorType) => ({ dtype, shape });

function joined(_: object, a: TensorType, b: TensorType): TensorType {
  if (a.dtype !== b.dtype) throw new ShapeError(`Cannot combine ${a.dtype} with ${b.dtype}. Cast one of them.`);
  return { dtype: a.dtype, shape: broadcast(a.shape, b.shape) };
}

const compared = (_: object, a: TensorType, b: TensorType): TensorType => ({ ...joined(_, a, b), dtype: "bool" });

export const Add: Binary = defineOp("Add", {
  infer: joined,
  inPlace: true,
  opcodes: { scalar: 0xa0, elements: 0xe4 },
  gradient: ({ dy }) => [dy, dy],
});
export const Sub: Binary = defineOp("Sub", {
  infer: joined,
  inPlace: true,
  opcodes: { scalar: 0xa1, elements: 0xe5 },
  gradient: ({ dy }) => [dy, Neg(dy)],
});
export const Mul: Binary = defineOp("Mul", {
  infer: joined,
  inPlace: true,
  opcodes: { scalar: 0xa2, elements: 0xe6 },
  gradient: ({ dy }, a, b) => [Mul(dy, b), Mul(dy, a)],
});
export const Div: Binary = defineOp("Div", {
  infer: joined,
  inPlace: true,
  opcodes: { scalar: 0xa3, elements: 0xe7 },
  gradient: ({ dy, y }, _, b) => [Div(dy, b), Neg(Div(Mul(dy, y), b))],
});
export const Neg: Unary = defineOp("Neg", {
  infer: same,
  inPlace: true,
  opcodes: { scalar: 0x9a, elements: 0xe1 },
  gradient: ({ dy }) => [Neg(dy)],
});
export const Exp: Unary = defineOp("Exp", { infer: same, inPlace: true, gradient: ({ dy, y }) => [Mul(dy, y)] });
export const Log: Unary = defineOp("Log", { infer: same, inPlace: true, gradient: ({ dy }, x) => [Div(dy, x)] });
export const Sqrt: Unary = defineOp("Sqrt", {
  infer: same,
  inPlace: true,
  opcodes: { scalar: 0x9f, elements: 0xe3 },
  gradient: ({ dy, y }) => [Div(dy, Mul(scalar(2, y.dtype), y))],
});
export const Reciprocal: Unary = defineOp("Reciprocal", {
  infer: same,
  inPlace: true,
  gradient: ({ dy, y }) => [Neg(Mul(dy, Mul(y, y)))],
});

/** a^b; b must be a constant for its gradient. */
export const Pow: Binary = defineOp("Pow", {
  infer: joined,
  gradient: ({ dy }, a, b) => [Mul(dy, Mul(b, Pow(a, Sub(b, scalar(1, b.dtype))))), null],
});

export const Equal: Binary = defineOp("Equal", { infer: compared });
export const GreaterOrEqual: Binary = defineOp("GreaterOrEqual", { infer: compared });
export const LessOrEqual: Binary = defineOp("LessOrEqual", { infer: compared });
export const And: Binary = defineOp("And", { infer: compared });

/** `condition ? a : b`, element by element. */
export const Where: Op<[condition: Value, a: Value, b: Value]> = defineOp("Where", {
  infer: (_, condition, a, b) => ({ dtype: a.dtype, shape: broadcast(condition.shape, broadcast(a.shape, b.shape)) }),
  gradient: ({ dy }, condition) => [
    null,
    Where(condition, dy, scalar(0, dy.dtype)),
    Where(condition, scalar(0, dy.dtype), dy),
  ],
});

const ONNX_TYPES: Record<DType, number> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

export const Cast: Op<[x: Value, attrs: { to: DType }]> = defineOp("Cast", {
  infer: ({ to }, { shape }) => ({ dtype: to, shape }),
  cheap: true,
  inPlace: true,
  gradient: ({ dy }, x) => [isFloat(x.dtype) ? Cast(dy, { to: x.dtype }) : null],
  spelling: { attributes: ({ to }) => ({ to: ONNX_TYPES[to] }) },
});

/** The same bits as another type of the same size. */
export const BitCast: Op<[x: Value, attrs: { to: DType }]> = defineOp("BitCast", {
  infer: ({ to }, { shape }) => ({ dtype: to, shape }),
  cheap: true,
  spelling: { opset: 26, attributes: ({ to }) => ({ to: ONNX_TYPES[to] }) },
});
