/** @file How many sequences a model has room for. */

import type { LlamaModel } from "node-llama-cpp";
import { DistillError } from "../../core/errors.ts";
import type { Started } from "./start.ts";

/** Bytes of the two memories. On the CPU nothing takes gpuVram. */
export type Memory = { cpuRam: number; gpuVram: number };

/** A step of decoding is hardly slower for as many; beyond, each sequence only waits for the others. */
const ENOUGH = { cpu: 32, gpu: 128 };

/** The most sequences of `context_size` tokens that `started` has memory for beside `model`, by llama.cpp's own estimate. */
export async function fittingSequences(
  { llama, backend }: Started,
  model: LlamaModel,
  context_size: number,
  batch_size: number,
): Promise<{ sequences: number; memory: Memory }> {
  const [ram, vram] = [await llama.getRamState(), await llama.getVramState()];
  const free = {
    cpuRam: Math.max(0, ram.free - llama.ramPaddingSize),
    gpuVram: Math.max(0, vram.free - llama.vramPaddingSize),
  };
  const memoryOf = (sequences: number) => contextMemory(model, sequences, context_size, batch_size);
  const sequences = await largestFitting(memoryOf, free, backend === "cpu" ? ENOUGH.cpu : ENOUGH.gpu);
  const memory = await memoryOf(Math.max(1, sequences));
  if (sequences === 0)
    throw new DistillError(
      `There is no room for one sequence of ${context_size} tokens: it needs ${shown(memory)}, and there are ${shown(free)}. Lower teacher.context_size, or take a smaller file.`,
    );
  return { sequences, memory };
}

/** Tokens of all sequences up to which llama.cpp is asked what they take: its estimate takes time and memory for each. */
const ASKED = 2 ** 22;

/** What a context takes, in bytes. */
export async function contextMemory(
  model: LlamaModel,
  sequences: number,
  context_size: number,
  batch_size: number,
): Promise<Memory> {
  const of = (contextSize: number, sequences: number): Promise<Memory> =>
    model.fileInsights.estimateContextResourceRequirementsV2({
      contextSize,
      sequences,
      batchSize: Math.max(batch_size, sequences),
      modelGpuLayers: model.gpuLayers,
    });
  const tokens = sequences * context_size;
  if (tokens <= ASKED) return of(context_size, sequences);
  const [half, whole] = [await of(ASKED / 2, 1), await of(ASKED, 1)];
  // from there on each further token takes as much
  const beyond = (of: keyof Memory) => whole[of] + ((whole[of] - half[of]) * (tokens - ASKED)) / (ASKED / 2);
  return { cpuRam: beyond("cpuRam"), gpuVram: beyond("gpuVram") };
}

/** The largest n up to `most` whose memory is free, or 0; memory grows with n. */
export async function largestFitting(
  memoryOf: (n: number) => Promise<Memory>,
  free: Memory,
  most: number,
): Promise<number> {
  const fits = async (n: number) => {
    const { cpuRam, gpuVram } = await memoryOf(n);
    return cpuRam <= free.cpuRam && gpuVram <= free.gpuVram;
  };
  let [low, high] = [0, most + 1]; // low fits, high does not
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

const shown = ({ cpuRam, gpuVram }: Memory) =>
  `${megabytes(cpuRam)} MB of memory${gpuVram > 0 ? ` and ${megabytes(gpuVram)} MB on the card` : ""}`;

export const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);
