import type { Value } from "../graph/value.ts";
import { GatedGelu } from "../ops/index.ts";
import type { Linear } from "./linear.ts";

/** The gated feed-forward of arXiv:2002.05202 with GELU: W_down (gelu(W_gate x) · W_up x). x [tokens, width]. */
export const geglu = (x: Value, gate: Linear, up: Linear, down: Linear): Value => down(GatedGelu(gate(x), up(x)));
