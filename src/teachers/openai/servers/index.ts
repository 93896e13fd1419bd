/** Servers: the one that recognises itself, else `other`. */

export { llama_server } from "./llama_server.ts";
export { openai } from "./openai.ts";
export { other } from "./other.ts";
export { sglang } from "./sglang.ts";
export { vllm } from "./vllm.ts";
