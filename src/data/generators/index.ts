/** Programs that write problems with worked solutions, each under the name that a recipe gives. */
export { arithmetic } from "./arithmetic.ts";
export { countdown } from "./countdown.ts";
export { stories } from "./stories.ts";
