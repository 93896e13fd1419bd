/** Rules, each under its name in a recipe. */
export { code } from "./code.ts";
