/** Formats of files that a student can be exported to, each under the name that a recipe gives. */
export { gguf } from "./gguf.ts";
export { onnx } from "./onnx.ts";
