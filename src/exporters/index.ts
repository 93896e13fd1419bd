/** Formats of files that a student can be exported to, each under the name that a recipe gives. */
export { onnx } from "./onnx.ts";
