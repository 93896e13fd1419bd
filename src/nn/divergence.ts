/**
 * @file How far a student's distribution q of the next token is from a teacher's p: the generalised Jensen-Shannon divergence
 * of arXiv:2306.13649, over the whole vocabulary or over the teacher's most likely tokens and one bucket for all others.
 */

import { scalar, type Value } from "../graph/value.ts";
import { Add, Div, Exp, GatherElements, Log, Mul, Neg, ReduceSum, ScatterElements, Sub } from "../ops/index.ts";
import type { Predicted, Ruled, TokenRule } from "./chunked-loss.ts";
import { predicted } from "./predicted.ts";

/** Events with their probabilities: of the teacher and of the student, all of one shape. */
type Events = { p: Value; logp: Value; q: Value; logq: Value };

/**
 * beta KL(p ‖ m) + (1 - beta) KL(q ‖ m) with m = beta p + (1 - beta) q; beta 0 is the forward KL(p ‖ q) and beta 1 the
 * reverse KL(q ‖ p), as in TRL. Gives each event's part of it, and q · d / dq up to a factor that is the same for all events,
 * which softmax takes out again.
 */
function divergence({ p, logp, q, logq }: Events, beta: number): { part: Value; slope: Value } {
  const number = (x: number) => scalar(x, q.dtype);
  if (beta === 0) return { part: Mul(p, Sub(logp, logq)), slope: Neg(p) };
  if (beta === 1) {
    const part = Mul(q, Sub(logq, logp));
    return { part, slope: part };
  }
  const logm = Log(Add(Add(Mul(p, number(beta)), Mul(q, number(1 - beta))), number(TINY)));
  const slope = Mul(Mul(q, Sub(logq, logm)), number(1 - beta));
  return { part: Add(Mul(Mul(p, Sub(logp, logm)), number(beta)), slope), slope };
}

/** Keeps the logarithm of a probability of 0 finite. */
const TINY = 1e-30;

const overEvents = (x: Value) => ReduceSum(x, { axes: [1] });

/** From a teacher's last hidden states of the positions [n, width], and its head [vocab, width]: all of its distribution. */
export const fullDivergence =
  (beta: number): TokenRule =>
  ({ logprobs: logq, probabilities: q }, hidden, head) => {
    const logp = predicted(hidden!, head!);
    const p = Exp(logp);
    const { part, slope } = divergence({ p, logp, q, logq }, beta);
    return { loss: overEvents(part), gradient: beta === 0 ? Sub(q, p) : Sub(slope, Mul(q, overEvents(slope))) };
  };

/** What is done with the probability that the teacher gives to tokens beyond those that are known. */
export const TAILS = ["bucket", "renormalize", "ignore"] as const;
export type Tail = (typeof TAILS)[number];

/**
 * From the teacher's most likely tokens: ids int32 [n, k], all different, their log-probabilities [n, k] and that of all
 * others together, [n, 1], 0 being as small as e^-70.
 *
 * bucket: tokens beyond the k are one event, for teacher and student alike. renormalize: p is made to sum to one over the k,
 * and q is of the whole vocabulary, which moves all of the student's probability onto the k. ignore: Σ over the k of
 * p (log p - log q), whatever they sum to.
 */
export const topDivergence =
  (beta: number, tail: Tail): TokenRule =>
  (predicted, ids, logp, logRest) =>
    tail === "bucket"
      ? bucketed(predicted, ids!, logp!, logRest!, beta)
      : forward(predicted, ids!, logp!, tail === "renormalize");

function bucketed(
  { logprobs, probabilities }: Predicted,
  ids: Value,
  logp: Value,
  logRest: Value,
  beta: number,
): Ruled {
  const at = { axis: 1 };
  const logq = GatherElements(logprobs, ids, at);
  const q = Exp(logq);
  const others = ScatterElements(probabilities, ids, Neg(q), at); // exactly 0 at the ids, so that small sums keep their digits
  const rest = Add(overEvents(others), scalar(TINY, q.dtype));
  const known = divergence({ p: Exp(logp), logp, q, logq }, beta);
  const bucket = divergence({ p: Exp(logRest), logp: logRest, q: rest, logq: Log(rest) }, beta);
  const common = Add(overEvents(known.slope), bucket.slope);
  const outside = Mul(others, Sub(Div(bucket.slope, rest), common));
  return {
    loss: Add(overEvents(known.part), bucket.part),
    gradient: ScatterElements(outside, ids, Sub(known.slope, Mul(q, common)), at),
    metrics: { tail: Exp(logRest) },
  };
}

/** KL of p over the ids to q over the whole vocabulary: d logits = q Σp - p. */
function forward({ logprobs, probabilities }: Predicted, ids: Value, given: Value, renormalizes: boolean): Ruled {
  const sum = overEvents(Exp(given));
  const logp = renormalizes ? Sub(given, Log(sum)) : given;
  const p = Exp(logp);
  const q = renormalizes ? probabilities : Mul(probabilities, sum);
  return {
    loss: overEvents(Mul(p, Sub(logp, GatherElements(logprobs, ids, { axis: 1 })))),
    gradient: ScatterElements(q, ids, Neg(p), { axis: 1 }),
    metrics: { tail: Sub(scalar(1, sum.dtype), sum) },
  };
}

/** share · one + (1 - share) · other: `split` operands are the first's, the rest the other's. What both log is there by name. */
export const mixed =
  (
    share: number,
    one: { name: string; rule: TokenRule; operands: number },
    other: { name: string; rule: TokenRule },
  ): TokenRule =>
  (predicted, ...operands) => {
    const a = one.rule(predicted, ...operands.slice(0, one.operands));
    const b = other.rule(predicted, ...operands.slice(one.operands));
    const blend = (x: Value, y: Value) => {
      const part = (z: Value, factor: number) => Mul(z, scalar(factor, z.dtype));
      return share === 0 ? y : share === 1 ? x : Add(part(x, share), part(y, 1 - share));
    };
    return {
      loss: blend(a.loss, b.loss),
      gradient: blend(a.gradient, b.gradient),
      metrics: { ...a.metrics, ...b.metrics, [one.name]: a.loss, [other.name]: b.loss },
    };
  };
