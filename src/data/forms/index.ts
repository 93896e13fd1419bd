/** Published forms of questions, each under the name that a recipe gives. */
export { gpqa } from "./gpqa.ts";
export { gsm8k } from "./gsm8k.ts";
export { humaneval } from "./humaneval.ts";
export { livecodebench } from "./livecodebench.ts";
export { mbpp } from "./mbpp.ts";
export { multiple_choice } from "./multiple-choice.ts";
