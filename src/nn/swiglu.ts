import type { Value } from "../graph/value.ts";
import { GatedSilu } from "../ops/index.ts";
import type { Linear } from "./linear.ts";

/** The gated feed-forward of arXiv:2002.05202: W_down (silu(W_gate x) · W_up x). x [tokens, width]. */
export const swiglu = (x: Value, gate: Linear, up: Linear, down: Linear): Value => down(GatedSilu(gate(x), up(x)));
