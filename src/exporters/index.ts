/** Exporters, each under its name in recipes. */
export { gguf } from "./gguf.ts";
