/** Trainers, each under its name in recipes. */
export { gkd } from "./gkd.ts";
export { grpo } from "./grpo.ts";
export { kd } from "./kd.ts";
export { sft } from "./sft.ts";
