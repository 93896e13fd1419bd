/** Formats of models that are one file. */
export { gguf } from "./gguf.ts";
