/** Families of models, each under its HF `model_type`. */
export { gemma3_text } from "./gemma3_text.ts";
export { llama } from "./llama.ts";
export { qwen2 } from "./qwen2.ts";
export { qwen3 } from "./qwen3.ts";
