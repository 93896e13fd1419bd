import { openLlamaScorer } from "../../teachers/llama-logits.ts";
import type { Runner } from "./runner.ts";

/** A GGUF file as llama.cpp computes it. */
export const openGgufRunner: (path: string) => Promise<Runner> = openLlamaScorer;
