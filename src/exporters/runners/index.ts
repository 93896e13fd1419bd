/** What runs exported files, each under the format that a recipe exports. */
export { gguf } from "./gguf.ts";
export { onnx } from "./onnx.ts";
