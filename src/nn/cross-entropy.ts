import { Neg, ScatterElements } from "../ops/index.ts";
import type { TokenRule } from "./chunked-loss.ts";

/** -log p(label), for labels int32 [n, 1]: d logits = p - onehot(label). */
export const crossEntropy: TokenRule = ({ logprobsAt, probabilities, fill }, labels) => ({
  loss: Neg(logprobsAt(labels!)),
  gradient: ScatterElements(probabilities, labels!, fill(-1), { axis: 1 }),
});
