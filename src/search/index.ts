/** Ways to spend more tokens on a problem, each under the name that a recipe gives. */
export { beam } from "./beam.ts";
export { best_of_n } from "./best-of-n.ts";
export { lookahead } from "./lookahead.ts";
