/** @file What llama.cpp makes of texts, by the tokenizer in a GGUF file. */

import { llamaOnProcessor } from "./llama-cpp/variant.ts";

export type LlamaEncoder = {
  encode(text: string): number[];
  readonly bos: number | undefined;
  close(): Promise<void>;
};

/** Open a GGUF file without its weights. */
export async function openLlamaEncoder(path: string): Promise<LlamaEncoder> {
  const llama = await llamaOnProcessor();
  const model = await llama.loadModel({ modelPath: path, vocabOnly: true });
  const { bos, shouldPrependBosToken } = model.tokens;
  return {
    encode: (text) => model.tokenize(text, true),
    bos: shouldPrependBosToken ? (bos ?? undefined) : undefined,
    close: () => model.dispose(),
  };
}
