/** @file Greedy decoding with the training runtime: a plain loop that computes the whole text again for every token. */

import { batchShape, layOut } from "../data/batch.ts";
import { mostLikely, notFinite } from "../generation/finite.ts";
import { tokenFeeds, tokenInputs } from "../generation/tokens.ts";
import { input } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { linear } from "../nn/linear.ts";
import { Gather } from "../ops/index.ts";
import type { Device, Program } from "../runtime/device.ts";
import { tensor } from "../runtime/tensor.ts";

export type GreedyOptions = {
  eos: number;
  max_completion_length: number;
  signal?: AbortSignal;
  onStep?: (done: number) => void;
};

/** Lengths that programs are compiled for: the shortest that holds all texts is used. */
const STEP = 32;

/** The most likely continuation of each prompt, up to the stop token or the limit. The weights are states of the device. */
export async function greedy(
  device: Device,
  model: Model,
  prompts: readonly (readonly number[])[],
  options: GreedyOptions,
): Promise<number[][]> {
  const { eos, max_completion_length, signal, onStep } = options;
  const texts = prompts.map((prompt) => [...prompt]);
  const open = new Set(texts.keys());
  const programs = new Map<number, Program>();
  for (let step = 0; step < max_completion_length && open.size > 0 && !signal?.aborted; step++) {
    const running = [...open];
    const longest = Math.max(...running.map((i) => texts[i]!.length));
    const length = Math.ceil(longest / STEP) * STEP;
    const shape = batchShape(texts.length, length, model.head.shape[0] as number);
    const program = programs.get(length) ?? (await compileLogits(device, model, shape));
    programs.set(length, program);
    const rows = texts.map((tokens, i) => (open.has(i) ? [{ tokens, supervised: [] }] : []));
    const last = running.map((i) => i * length + texts[i]!.length - 1);
    const { logits } = await program.run({
      ...tokenFeeds(layOut(rows, shape)),
      last: tensor("int32", [last.length], last),
    });
    const scores = logits!.data as Float32Array;
    const width = scores.length / running.length;
    running.forEach((i, k) => {
      const id = mostLikely(scores.subarray(k * width, (k + 1) * width));
      if (id === undefined) throw notFinite("The model", `for prompt ${i}`);
      texts[i]!.push(id);
      if (id === eos) open.delete(i);
    });
    onStep?.(texts.length - open.size);
  }
  for (const program of programs.values()) await program.release();
  return texts.map((tokens, i) => tokens.slice(prompts[i]!.length));
}

function compileLogits(device: Device, model: Model, shape: Parameters<typeof tokenInputs>[0]): Promise<Program> {
  const hidden = Gather(model.hidden(tokenInputs(shape)), input("last", "int32", ["open"]));
  return device.compile({ logits: linear(hidden, model.head) });
}
