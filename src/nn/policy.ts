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

export type PolicyOptions = {
  /** Whether the weights are those that drew the tokens, so that all ratios are 1. */
  on_policy: boolean;
  /** Whether a ratio is of one token, or the geometric mean of those of a completion (GSPO, arXiv:2507.18071). */
  level: "token" | "sequence";
  /** The ratio of probabilities, new to old, is clipped to [1 - epsilon, 1 + epsilon_high]. */
  epsilon: number;
  epsilon_high: number;
  /** The weight of the divergence from the reference, estimated by k3 = e^d - d - 1, d = log(reference / policy). */
  beta: number;
  /** Multiply k3 by the ratio, which makes its gradient unbiased. */
  use_bias_correction_kl: boolean;
};

/** What the rule reads of each token beside its label, by name, each [n, 1]. */
export const POLICY_COLUMNS = {
  advantages: "advantages",
  /** Log-probabilities of the weights that drew the tokens, and of the reference. */
  old: "old_logprobs",
  reference: "reference_logprobs",
  /** What a token counts in the loss. */
  shares: "shares",
  /** Of the completion's tokens, the mean of log(ratio), and that of k3. */
  change: "sequence_logratio",
  k3: "sequence_k3",
} as const;
export type PolicyColumn = keyof typeof POLICY_COLUMNS;

/** Which columns a rule reads, in the order of its operands behind the labels. */
export function policyColumns({ on_policy, level, beta, use_bias_correction_kl }: PolicyOptions): PolicyColumn[] {
  const whole = level === "sequence";
  return [
    "advantages",
    "old",
    "shares",
    ...(beta > 0 ? (["reference"] as const) : []),
    ...(whole && !on_policy ? (["change"] as const) : []),
    ...(whole && beta > 0 && use_bias_correction_kl ? (["k3"] as const) : []),
  ];
}

/**
 * -min(ratio · A, clipped ratio · A) + beta · k3, times each token's share. Operands: labels int32 [n, 1] and the columns that
 * `policyColumns` names. Where all ratios are 1 the gradient is that of the cross-entropy, each token weighted by A · share.
 */
export const policyGradient =
  (options: PolicyOptions): TokenRule =>
  ({ logprobs, probabilities, fill }, labels, ...operands) => {
    const { on_policy, level, epsilon, epsilon_high, beta, use_bias_correction_kl } = options;
    const given = Object.fromEntries(policyColumns(options).map((name, i) => [name, operands[i]!])) as Record<
      PolicyColumn,
      Value
    >;
    const { advantages, old, shares, reference } = given;
    const logprob = GatherElements(logprobs, labels!, { axis: 1 });
    const change = Sub(logprob, old);
    const metrics: Record<string, Value> = {
      entropy: Neg(ReduceSum(Mul(probabilities, logprobs), { axes: [1] })),
      logprob_mismatch: Where(GreaterOrEqual(change, fill(0)), change, Neg(change)),
    };
    let ratio: Value | undefined; // where it is not 1
    let loss = Neg(advantages);
    let slope = loss; // d loss / d log-probability
    if (!on_policy) {
      ratio = Exp(level === "sequence" ? given.change : change);
      const clipped = Where(
        GreaterOrEqual(advantages, fill(0)),
        Where(LessOrEqual(ratio, fill(1 + epsilon_high)), ratio, fill(1 + epsilon_high)),
        Where(GreaterOrEqual(ratio, fill(1 - epsilon)), ratio, fill(1 - epsilon)),
      );
      // d(ratio) / d(logprob) = ratio, of a whole completion's spread over its tokens, and nothing beyond the clip
      const beyond = Sub(ratio, clipped);
      const inside = And(LessOrEqual(beyond, fill(0)), GreaterOrEqual(beyond, fill(0)));
      loss = Neg(Mul(clipped, advantages));
      slope = Where(inside, loss, fill(0));
      metrics.clip_ratio = Where(inside, fill(0), fill(1));
    }
    if (beta > 0) {
      const d = Sub(reference, logprob);
      const k3 = Sub(Sub(Exp(d), d), fill(1));
      const weighted = (x: Value) => Mul(x, scalar(beta, logprobs.dtype));
      const corrected = (x: Value) => (use_bias_correction_kl && ratio ? Mul(ratio, x) : x);
      // (ratio · k3)' = ratio · (k3 + 1 - e^d), k3 being the completion's mean where a ratio is of all of it
      const own = Sub(fill(1), Exp(d));
      const turned = use_bias_correction_kl ? Add(level === "sequence" ? given.k3 : k3, own) : own;
      loss = Add(loss, weighted(corrected(k3)));
      slope = Add(slope, weighted(corrected(turned)));
      metrics.kl = k3;
    }
    return {
      loss: Mul(loss, shares),
      gradient: ScatterElements(probabilities, labels!, fill(-1), { axis: 1 }),
      scale: Neg(Mul(slope, shares)), // d logprob / d logits = onehot - p
      metrics,
    };
  };
