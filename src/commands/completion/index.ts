/** Shells, each under its name, that write their completion script. */
export { bash } from "./bash.ts";
export { fish } from "./fish.ts";
export { zsh } from "./zsh.ts";
