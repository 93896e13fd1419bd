/** Trainers, each under its name in recipes. */
export { sft } from "./sft.ts";
