import { openLlamaEncoder } from "../../teachers/llama-encoder.ts";
import { openLlamaScorer } from "../../teachers/llama-logits.ts";
import type { FileRunner } from "./runner.ts";

/** A GGUF file as llama.cpp computes it. */
export const gguf: FileRunner = {
  ending: ".gguf",
  open: (path, base) => (base ? openLlamaScorer(base, path) : openLlamaScorer(path)),
  openEncoder: openLlamaEncoder,
};
