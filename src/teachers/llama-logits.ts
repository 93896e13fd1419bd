/** @file What llama.cpp predicts after every token of a text, in full precision where the file has it. */

import { statSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { requireFinite } from "../generation/finite.ts";
import { addonOf } from "./llama-cpp/addon.ts";
import { loadOnProcessor } from "./llama-cpp/start.ts";
import { coreThreads, NOT_FINITE } from "./llama-cpp/variant.ts";

/** Texts are scored with a context of this many tokens more than they have. */
const MARGIN = 8;

/** Tokens read at once; llama.cpp keeps the logits of as many. */
const BATCH = 128;

/** Tokens whose logits are taken at a time: llama.cpp sorts the vocabulary of one while those of the other are read. */
const SIDE_BY_SIDE = 2;

/** Up to this size of the file, in bytes, threads would wait for each other longer than they compute. */
const SMALL_MODEL = 8 * 2 ** 20;

/** So they would where other work keeps the cores busy: llama.cpp's wait for each other several times a layer. */
const busy = () => loadavg()[0]! >= 1.5 * availableParallelism();

export type LlamaScorer = {
  /** Logits of the next token after each of `tokens`, from the one at `from` on: [tokens - from, vocab]. */
  logits(tokens: readonly number[], from?: number): Promise<Float32Array>;
  close(): Promise<void>;
};

/** Open a GGUF file, and an adapter to it, for scoring on the CPU: no flash attention and a float32 cache, whose rounding would hide the file's. */
export async function openLlamaScorer(path: string, lora?: string): Promise<LlamaScorer> {
  const { llama, model } = await loadOnProcessor({ modelPath: path });
  const threads = statSync(path).size > SMALL_MODEL && !busy() ? coreThreads(llama) : 1;
  const vocab = [...model.iterateAllTokens()].length;
  return {
    async logits(tokens, from = 0) {
      const context = await model.createContext({
        contextSize: tokens.length + MARGIN,
        batchSize: BATCH,
        threads,
        ...(lora ? { lora } : {}),
        flashAttention: false,
        experimentalKvCacheKeyType: "F32",
        experimentalKvCacheValueType: "F32",
      });
      const { batches, newSampler } = addonOf(llama, model, context);
      const samplers = Array.from({ length: SIDE_BY_SIDE }, newSampler);
      try {
        for (const sampler of samplers) sampler.applyConfig({ temperature: 0, seed: 0 });
        const logits = new Float32Array((tokens.length - from) * vocab);
        for (let at = 0, row = 0; at < tokens.length; at += BATCH) {
          const piece = Uint32Array.from(tokens.slice(at, at + BATCH));
          const wanted = Uint32Array.from(piece.keys()).filter((i) => at + i >= from);
          batches.initBatch(piece.length);
          const indexes = batches.addToBatch(0, at, piece, wanted);
          await batches.decodeBatch();
          await Promise.all(
            samplers.map(async (sampler, first) => {
              for (let n = first; n < indexes.length; n += samplers.length) {
                const [, , , pairs] = await batches.sampleToken(indexes[n]!, sampler, false, false, true, false);
                const begin = row + n * vocab;
                for (let i = 0; i < pairs.length; i += 2) logits[begin + pairs[i]!] = pairs[i + 1]!;
              }
            }),
          );
          row += indexes.length * vocab;
        }
        return requireFinite(path, logits, vocab, NOT_FINITE);
      } finally {
        for (const sampler of samplers) sampler.dispose();
        await context.dispose();
      }
    },
    close: () => model.dispose(),
  };
}
