/** @file What a model predicts after every token of a text, in the forward pass that trains it. */

import { batchShape, layOut } from "../data/batch.ts";
import type { Model } from "../models/model.ts";
import { linear } from "../nn/linear.ts";
import type { Device, Program } from "../runtime/device.ts";
import { requireFinite } from "./finite.ts";
import { tokenFeeds, tokenInputs } from "./tokens.ts";

/** Programs are compiled for multiples of this many tokens. */
const STEP = 32;

export type TextLogits = {
  /** Logits of the next token after each of `tokens`: [tokens, vocab]. A DistillError where they are not finite. */
  logits(tokens: readonly number[]): Promise<Float32Array>;
  close(): Promise<void>;
};

/** The logits of whole texts, from weights that are states of the device when they are asked for. `source` names the model in errors. */
export function openLogits(device: Device, trained: Model, source = "The model"): TextLogits {
  const model = trained.eval();
  const vocab = model.head.shape[0] as number;
  const programs = new Map<number, Program>();
  return {
    async logits(tokens) {
      const shape = batchShape(1, Math.ceil(tokens.length / STEP) * STEP, vocab);
      const program =
        programs.get(shape.length) ??
        (await device.compile({ logits: linear(model.hidden(tokenInputs(shape)), model.head) }));
      programs.set(shape.length, program);
      const { logits } = await program.run(tokenFeeds(layOut([[{ tokens, supervised: [] }]], shape)));
      return requireFinite(source, (logits!.data as Float32Array).slice(0, tokens.length * vocab), vocab);
    },
    async close() {
      for (const program of programs.values()) await program.release();
      programs.clear();
    },
  };
}
