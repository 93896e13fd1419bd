/** Rules that score completions, each under the name that a recipe gives. */
export { accuracy } from "./accuracy.ts";
export { format } from "./format.ts";
