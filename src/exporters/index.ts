/** Formats of files that a student can be exported to, each under the name that a recipe gives. */
export { gguf } from "./gguf.ts";
export { gguf_lora } from "./gguf_lora.ts";
export { ollama } from "./ollama.ts";
export { onnx } from "./onnx.ts";
export { web } from "./web.ts";
