/** Trainers, each under its name in recipes. */
export { kd } from "./kd.ts";
export { sft } from "./sft.ts";
