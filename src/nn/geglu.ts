import type { Value } from "../graph/value.ts";
import { GatedGelu } from "../ops/index.ts";
import { linear } from "./linear.ts";

/** The gated feed-forward of arXiv:2002.05202 with GELU: W_down (gelu(W_gate x) · W_up x). x [tokens, width]. */
export const geglu = (x: Value, gate: Value, up: Value, down: Value): Value =>
  linear(GatedGelu(linear(x, gate), linear(x, up)), down);
