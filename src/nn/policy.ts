/** @file The clipped policy gradient of GRPO (arXiv:2402.03300) and PPO (arXiv:1707.06347), token by token. */

import { scalar, type Value } from "../graph/value.ts";
import {
  Add,
  And,
  Exp,
  GatherElements,
  GreaterOrEqual,
  LessOrEqual,
  Mul,
  Neg,
  ReduceSum,
  ScatterElements,
  Sub,
  Where,
} from "../ops/index.ts";
import type { TokenRule } from "./chunked-loss.ts";
import { predicted } from "./predicted.ts";

export type PolicyOptions = {
  /** The ratio of probabilities, new to old, is clipped to [1 - epsilon, 1 + epsilon_high]. */
  epsilon: number;
  epsilon_high: number;
  /** The weight of the divergence from the reference, estimated by k3 = e^d - d - 1, d = log(reference / policy). */
  beta: number;
  /** Multiply k3 by the ratio, which makes its gradient unbiased. */
  use_bias_correction_kl: boolean;
};

/**
 * -min(ratio · A, clipped ratio · A) + beta · k3, times each token's share. Operands: labels int32 [n, 1] and, [n, 1] each,
 * advantages A, old log-probabilities and shares; where beta is not 0 the reference's last hidden
 * states [n, width] and its head [vocab, width].
 */
export const policyGradient =
  ({ epsilon, epsilon_high, beta, use_bias_correction_kl }: PolicyOptions): TokenRule =>
  ({ logprobs, probabilities, fill }, ...operands) => {
    const [labels, advantage, old, share, ...more] = operands as [Value, Value, Value, Value, ...Value[]];
    const number = (x: number) => scalar(x, logprobs.dtype);
    const logprob = GatherElements(logprobs, labels, { axis: 1 });
    const change = Sub(logprob, old);
    const ratio = Exp(change);
    const clipped = Where(
      GreaterOrEqual(advantage, fill(0)),
      Where(LessOrEqual(ratio, fill(1 + epsilon_high)), ratio, fill(1 + epsilon_high)),
      Where(GreaterOrEqual(ratio, fill(1 - epsilon)), ratio, fill(1 - epsilon)),
    );
    // d(ratio) / d(logprob) = ratio, and nothing beyond the clip
    const beyond = Sub(ratio, clipped);
    const inside = And(LessOrEqual(beyond, fill(0)), GreaterOrEqual(beyond, fill(0)));
    const won = Mul(clipped, advantage);
    let loss = Neg(won);
    let slope = Where(inside, Neg(won), fill(0));
    const metrics: Record<string, Value> = {
      entropy: Neg(ReduceSum(Mul(probabilities, logprobs), { axes: [1] })),
      clip_ratio: Where(inside, fill(0), fill(1)),
      logprob_mismatch: Where(GreaterOrEqual(change, fill(0)), change, Neg(change)),
    };
    if (beta > 0) {
      const [hidden, head] = more as [Value, Value];
      const d = Sub(GatherElements(predicted(hidden, head), labels, { axis: 1 }), logprob);
      const k3 = Sub(Sub(Exp(d), d), fill(1));
      const weighted = (x: Value) => Mul(x, number(beta));
      loss = Add(loss, weighted(use_bias_correction_kl ? Mul(ratio, k3) : k3));
      // (ratio · k3)' = ratio · (k3 + 1 - e^d) = -ratio · d
      slope = Add(slope, weighted(use_bias_correction_kl ? Neg(Mul(ratio, d)) : Sub(fill(1), Exp(d))));
      metrics.kl = k3;
    }
    const s = Mul(slope, share);
    return {
      loss: Mul(loss, share),
      gradient: ScatterElements(Mul(probabilities, Neg(s)), labels, s, { axis: 1 }), // d logprob / d logits = onehot - p
      metrics,
    };
  };
