/** What scores answers in a search, each under the name that a recipe gives. */
export { judge } from "./judge.ts";
export { logprob } from "./logprob.ts";
export { rule } from "./rule.ts";
