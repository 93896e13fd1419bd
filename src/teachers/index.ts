/** Teachers, each under its name in recipes. */
export { engine } from "./engine.ts";
export { llama_cpp } from "./llama_cpp.ts";
export { openai } from "./openai.ts";
export { transformers } from "./transformers.ts";
