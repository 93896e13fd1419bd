/** @file What llama.cpp makes of texts, by the tokenizer in a GGUF file. */

import { loadOnProcessor } from "./llama-cpp/start.ts";

export type LlamaEncoder = {
  encode(text: string): number[];
  readonly bos: number | undefined;
  close(): Promise<void>;
};

/** Open a GGUF file without its weights. */
export async function openLlamaEncoder(path: string): Promise<LlamaEncoder> {
  const { model } = await loadOnProcessor({ modelPath: path, vocabOnly: true });
  const { bos, shouldPrependBosToken } = model.tokens;
  return {
    encode: (text) => model.tokenize(text, true),
    bos: shouldPrependBosToken ? (bos ?? undefined) : undefined,
    close: () => model.dispose(),
  };
}
