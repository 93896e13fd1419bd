import type { DType, TensorType, Value } from "./value.ts";

/** What a gradient rule may look at besides the inputs: `y` is the output, `dy` the gradient that reached it. */
export type Context<Attrs> = { dy: Value; y: Value; attrs: Attrs; gradients: Gradients };

/** The gradient of `y`, which `dy` reached, with respect to each of `xs`: reverse mode itself, for rules that need it. */
export type Gradients = (y: Value, dy: Value, xs: readonly Value[]) => Value[];

export type Rules<Attrs> = {
  /** The type of the output, or a ShapeError. */
  infer(attrs: Attrs, ...inputs: TensorType[]): TensorType;
  /** One gradient per input; null where none flows. The caller sums over broadcast axes. */
  gradient?(context: Context<Attrs>, ...inputs: Value[]): (Value | null)[];
  /** The same in other ops, for the devices and element types that have no such kernel. */
  expand?(attrs: Attrs, ...inputs: Value[]): Value;
  /**
   * Other ops for what `expand` makes of it, where kernels cost more than what they read, and sums of float32 are products; or
   * undefined where there is nothing to be saved.
   */
  inFewKernels?(attrs: Attrs, ...inputs: Value[]): Value | undefined;
  /** It is cheaper to compute its output again in the backward pass than to keep it until then. */
  cheap?: boolean;
  /** What it costs where it runs; unless given, to read its inputs and to write its output. */
  cost?: Cost;
  /** Its output is its first input's memory under another shape. */
  view?: true;
  /** It has so many outputs, each of which is a Part of it. */
  parts?(attrs: Attrs): number;
  /** Kernels of the CPU write its output over an input of that size which nothing reads any more. */
  inPlace?: true;
  /** The kernels that it launches on a GPU; one unless given. */
  launches?(attrs: Attrs, inputs: readonly Value[]): number;
  /** WebAssembly's opcodes for it, of a scalar in double and of four elements in float32, where a loop can compute it. */
  opcodes?: Opcodes;
  /** How ONNX spells it; by default the attributes are ONNX attributes of the same names. */
  spelling?: Spelling<Attrs>;
};

/** What programs are written for: ONNX Runtime's providers, and files that other programs load on one of their choice. */
export type TargetName = "cpu" | "webgpu" | "cuda" | "portable";

/** "free" moves no bytes; "picked" reads of its first input what it writes; a "product" of matrices counts multiplications. */
export type Cost = "free" | "picked" | "product";

export type Opcodes = { readonly scalar: number; readonly elements: number };

export type Spelling<Attrs> = {
  domain?: "com.microsoft";
  /** The first version of ONNX that has it, where that is later than what a target's programs are written in. */
  opset?: number;
  /** The element types for which a target's provider has this kernel, where those are not all that it is defined for. */
  kernels?: Partial<Record<TargetName, readonly DType[]>>;
  /** The inputs that the ONNX node takes, where they differ from ours: attributes that ONNX wants as tensors. */
  inputs?(attrs: Attrs, inputs: readonly Value[], type: TensorType): readonly Value[];
  /** ONNX attributes: integers, lists of integers, strings; `{ float }` for floats. */
  attributes?(attrs: Attrs, inputs: readonly Value[]): Record<string, Attribute>;
};

export type Attribute = number | readonly number[] | string | { float: number };

/** An ONNX op, called to add a node: `Mul(a, b)`, `Transpose(x, { perm: [1, 0] })`. */
export type Op<Args extends unknown[]> = ((...args: Args) => Value) & OpInfo<AttrsOf<Args>>;

// biome-ignore lint/suspicious/noExplicitAny: a node holds an op of any attributes; its own rules know which.
export type OpInfo<Attrs = any> = Rules<Attrs> & { readonly type: string };

/** Attributes are the last argument, if it is not a value. */
type AttrsOf<Args extends unknown[]> = Args extends [...unknown[], infer Last]
  ? Last extends Value
    ? object
    : Last
  : object;

/** Define an op from its rules. `type` is the ONNX op_type, or a name of our own if every target expands it. */
export function defineOp<Args extends unknown[]>(type: string, rules: Rules<AttrsOf<Args>>): Op<Args> {
  const call = (...args: unknown[]): Value => {
    const inputs = args.filter((arg): arg is Value => "dtype" in (arg as object));
    const attrs = args.length > inputs.length ? (args.at(-1) as object) : {};
    return apply(op, inputs, attrs);
  };
  const op = Object.assign(call, { type, ...rules }) as Op<Args>;
  return op;
}

/** The value that `op` computes from `inputs`. */
export const apply = (op: OpInfo, inputs: readonly Value[], attrs: object): Value => {
  const { dtype, shape } = op.infer(attrs, ...inputs);
  return { dtype, shape, node: { op, inputs, attrs } };
};

export type Unary = Op<[x: Value]>;
export type Binary = Op<[a: Value, b: Value]>;

export const isFloat = (dtype: DType) => dtype.startsWith("float");

/** The same with bfloat16, which is stored and widened, and computed with nowhere. */
export const holdsFractions = (dtype: DType) => isFloat(dtype) || dtype === "bfloat16";
