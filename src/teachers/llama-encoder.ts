/** @file What llama.cpp makes of texts, by the tokenizer in a GGUF file. */

import { getLlama } from "./llama-cpp/variant.ts";

export type LlamaEncoder = {
  encode(text: string): number[];
  readonly bos: number | undefined;
  close(): Promise<void>;
};

/** Open a GGUF file without its weights. */
export async function openLlamaEncoder(path: string): Promise<LlamaEncoder> {
  const { LlamaLogLevel } = await import("node-llama-cpp"); // slow to load
  const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath: path, vocabOnly: true });
  const { bos, shouldPrependBosToken } = model.tokens;
  return {
    encode: (text) => model.tokenize(text, true),
    bos: shouldPrependBosToken ? (bos ?? undefined) : undefined,
    async close() {
      await model.dispose();
      await llama.dispose();
    },
  };
}
