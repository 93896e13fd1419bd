/** Families of models, each under its HF `model_type`. */
export { llama } from "./llama.ts";
