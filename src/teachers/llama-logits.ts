/** @file What llama.cpp predicts after every token of a text, in full precision where the file has it. */

import { statSync } from "node:fs";
import type { Token } from "node-llama-cpp";
import { requireFinite } from "../generation/finite.ts";
import { getLlama, NOT_FINITE } from "./llama-cpp/variant.ts";

/** Texts are scored with a context of this many tokens more than they have. */
const MARGIN = 8;

/** Up to this size of the file, in bytes, threads would wait for each other longer than they compute. */
const SMALL_MODEL = 8 * 2 ** 20;

export type LlamaScorer = {
  /** Logits of the next token after each of `tokens`: [tokens, vocab]. */
  logits(tokens: readonly number[]): Promise<Float32Array>;
  close(): Promise<void>;
};

/** Open a GGUF file for scoring on the CPU: no flash attention and a float32 cache, whose rounding would hide the file's. */
export async function openLlamaScorer(path: string): Promise<LlamaScorer> {
  const { LlamaLogLevel } = await import("node-llama-cpp"); // slow to load
  const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath: path });
  const threads = statSync(path).size > SMALL_MODEL ? {} : { threads: 1 };
  const vocab = [...model.iterateAllTokens()].length;
  return {
    async logits(tokens) {
      const context = await model.createContext({
        contextSize: tokens.length + MARGIN,
        ...threads,
        flashAttention: false,
        experimentalKvCacheKeyType: "F32",
        experimentalKvCacheValueType: "F32",
      });
      try {
        const want = { generateNext: { logits: true, options: { temperature: 0 } } } as const;
        const output = await context.getSequence().controlledEvaluate(tokens.map((token) => [token as Token, want]));
        const logits = new Float32Array(tokens.length * vocab);
        output.forEach((item, i) => {
          for (const [token, logit] of item!.next.logits!) logits[i * vocab + token] = logit;
        });
        return requireFinite(path, logits, vocab, NOT_FINITE);
      } finally {
        await context.dispose();
      }
    },
    async close() {
      await model.dispose();
      await llama.dispose();
    },
  };
}
