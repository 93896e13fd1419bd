/** Teachers, each under its name in recipes. */
export { llama_cpp } from "./llama_cpp.ts";
export { transformers } from "./transformers.ts";
