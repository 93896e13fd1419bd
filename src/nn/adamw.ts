import { type Dim, type DType, input, scalar, type Value } from "../graph/value.ts";
import { Product } from "../ops/einsum.ts";
import {
  Add,
  Concat,
  Div,
  LessOrEqual,
  Mul,
  ReduceSum,
  ReduceSumSquare,
  Reshape,
  Sqrt,
  Sub,
  Where,
} from "../ops/index.ts";

export type AdamWOptions = { beta1: number; beta2: number; epsilon: number };

/** What a step does to every element of a tensor, as scalars. */
type Factors = {
  /** m ← keep1·m + take1·g, v ← keep2·v + take2·g² */
  keep1: Value;
  take1: Value;
  keep2: Value;
  take2: Value;
  /** param ← decay·param - rate·m / (√v + epsilon) */
  rate: Value;
  epsilon: Value;
  decay?: Value | undefined;
};

/** The states of a tensor, or of many laid end to end. */
type Tensors = { param: Value; grad: Value; m: Value; v: Value };

const tensors = (shape: readonly Dim[], dtype: DType): Tensors => ({
  param: input("param", dtype, shape),
  grad: input("grad", dtype, shape),
  m: input("m", dtype, shape),
  v: input("v", dtype, shape),
});

function stepped({ param, grad, m, v }: Tensors, factors: Factors, product = productInTwo): Record<string, Value> {
  const m1 = Add(Mul(m, factors.keep1), Mul(grad, factors.take1));
  const v1 = Add(Mul(v, factors.keep2), product(grad, grad, factors.take2));
  const step = Mul(Div(m1, Add(Sqrt(v1), factors.epsilon)), factors.rate);
  const decayed = factors.decay ? Mul(param, factors.decay) : param;
  return { next_param: Sub(decayed, step), next_m: m1, next_v: v1 };
}

const productInTwo = (a: Value, b: Value, c: Value): Value => Mul(Mul(a, b), c);

/**
 * The scalars of AdamW (arXiv:1711.05101, algorithm 2): clip is the factor on the gradient, bias1 = 1 - beta1^t, bias2 =
 * 1 - beta2^t. With ε√bias2 in the denominator, m / bias1 / (√(v / bias2) + ε) = √bias2 / bias1 · m / (√v + ε√bias2).
 */
function factorsOf(
  { beta1, beta2, epsilon }: AdamWOptions,
  clip: Value,
  rate: Value,
  bias1: Value,
  bias2: Value,
): Factors {
  const number = (x: number) => scalar(x, clip.dtype);
  const root = Sqrt(bias2);
  return {
    keep1: number(beta1),
    take1: Mul(clip, number(1 - beta1)),
    keep2: number(beta2),
    take2: Mul(Mul(clip, clip), number(1 - beta2)),
    rate: Div(Mul(rate, root), bias1),
    epsilon: Mul(root, number(epsilon)),
  };
}

/**
 * One step of AdamW for the elements of a tensor: inputs param, grad, m, v [size] and the scalars learning_rate,
 * weight_decay, clip, bias1, bias2; outputs next_param, next_m, next_v.
 */
export function adamW(options: AdamWOptions, dtype: DType = "float32"): Record<string, Value> {
  const [rate, weight_decay, clip, bias1, bias2] = ["learning_rate", "weight_decay", "clip", "bias1", "bias2"].map(
    (name) => input(name, dtype, []),
  ) as [Value, Value, Value, Value, Value];
  const decay = Sub(scalar(1, dtype), Mul(rate, weight_decay));
  return stepped(tensors(["size"], dtype), { ...factorsOf(options, clip, rate, bias1, bias2), decay });
}

/** What `guardedFactors` computes and `adamWOfFlat` reads. */
export const FACTORS = ["finite", "keep1", "take1", "keep2", "take2", "rate", "epsilon", "decay"] as const;

/**
 * The same for tensors laid end to end, with every scalar an input that `guardedFactors` computes: `finite` is false where the
 * gradient is to be passed over, whatever is in it.
 */
export function adamWOfFlat({ decays, size = "size" }: { decays: boolean; size?: Dim }): Record<string, Value> {
  const flat = tensors([size], "float32");
  const factors = Object.fromEntries(
    FACTORS.map((name) => [name, input(name, name === "finite" ? "bool" : "float32", [])]),
  ) as Record<(typeof FACTORS)[number], Value>;
  const grad = Where(factors.finite, flat.grad, scalar(0));
  return stepped({ ...flat, grad }, { ...factors, decay: decays ? factors.decay : undefined }, Product);
}

/**
 * The outputs of `adamWOfFlat` by the inputs over which a device may write them: the kernel that writes each follows all that
 * read the input and is none of them.
 */
export const updatedInPlace = ({ decays }: { decays: boolean }): Record<string, string> => ({
  ...(decays && { next_param: "param" }),
  next_m: "m",
  next_v: "v",
});

export type GuardOptions = AdamWOptions & {
  weight_decay: number;
  /** Whether gradients are those of a scaled loss. */
  scales: boolean;
};

/** What is finite in float32 is at most this; NaN is not. */
const LARGEST = 3.4e38;

/** After this many steps without an overflow the scale of the loss is doubled. */
export const GROWTH_INTERVAL = 2000;

/**
 * Everything that a step decides, decided on the device: from Σ g² of gradients that were scaled by `loss_scale`, the
 * clipping, the factors of AdamW, whether the step is passed over because a gradient is not finite, and the next scale of
 * the loss (halved then, doubled after 2000 good steps; arXiv:1710.03740). beta1_power = beta1^t of the t steps applied.
 */
export function guardedFactors(squares: Value, { scales, ...options }: GuardOptions) {
  const state = (name: string) => input(name, "float32", []);
  const [rate, most, lossScale, good, skipped] = [
    state("learning_rate"),
    state("max_grad_norm"),
    state("loss_scale"),
    state("good_steps"),
    state("skipped_steps"),
  ];
  const one = scalar(1);
  const norm = scales ? Div(Sqrt(squares), lossScale) : Sqrt(squares);
  const finite = LessOrEqual(squares, scalar(LARGEST));
  const bounded = Div(most, Add(norm, scalar(1e-6)));
  const clip = Where(LessOrEqual(bounded, one), bounded, one);
  const [power1, power2] = [
    Where(finite, Mul(state("beta1_power"), scalar(options.beta1)), state("beta1_power")),
    Where(finite, Mul(state("beta2_power"), scalar(options.beta2)), state("beta2_power")),
  ];
  const factors = factorsOf(options, scales ? Div(clip, lossScale) : clip, rate, Sub(one, power1), Sub(one, power2));
  const decay = Sub(one, Mul(rate, scalar(options.weight_decay)));
  const good1 = Where(finite, Add(good, one), scalar(0));
  const grown = LessOrEqual(scalar(GROWTH_INTERVAL), good1);
  const scale1 = Where(finite, Where(grown, Mul(lossScale, scalar(2)), lossScale), Mul(lossScale, scalar(0.5)));
  return {
    factors: {
      finite,
      keep1: Where(finite, factors.keep1, one),
      take1: Where(finite, factors.take1, scalar(0)),
      keep2: Where(finite, factors.keep2, one),
      take2: Where(finite, factors.take2, scalar(0)),
      rate: Where(finite, factors.rate, scalar(0)),
      epsilon: Where(finite, factors.epsilon, one),
      decay: Where(finite, decay, one),
    },
    grad_norm: norm,
    next: {
      skipped_steps: Where(finite, skipped, Add(skipped, one)),
      beta1_power: power1,
      beta2_power: power2,
      ...(scales ? { loss_scale: scale1, good_steps: Where(grown, scalar(0), good1) } : {}),
    },
  };
}

/** Σ x² over all elements of tensors of one axis each, in two passes of which the first is spread over the device: a scalar. */
export function sumOfSquaresOfFlats(flats: readonly Value[]): Value {
  const sums = flats.map((flat) => {
    const size = flat.shape[0] as number;
    const width = largestDivisor(size, 1024);
    const rows = ReduceSumSquare(Reshape(flat, { shape: [size / width, width] }), { axes: [1] });
    return Reshape(ReduceSum(rows, { axes: [0, 1] }), { shape: [1] });
  });
  const all = sums.length > 1 ? ReduceSum(Concat(...sums, { axis: 0 }), { axes: [0] }) : sums[0]!;
  return Reshape(all, { shape: [] });
}

function largestDivisor(size: number, most: number): number {
  for (let divisor = Math.min(size, most); divisor > 1; divisor--) if (size % divisor === 0) return divisor;
  return 1;
}
