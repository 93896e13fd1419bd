/** What a recipe may begin from, each under its name. */
export { dataset } from "./dataset.ts";
export { gguf } from "./gguf.ts";
export { server } from "./server.ts";
