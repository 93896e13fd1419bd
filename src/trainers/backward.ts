/** @file The gradients of a loss that is summed over micro-batches, and their norm. */

import type { Accumulation } from "../compiler/accumulation.ts";
import { input, type Value } from "../graph/value.ts";
import { sumOfSquares } from "../nn/adamw.ts";
import { Add } from "../ops/index.ts";
import type { Device, Program } from "../runtime/device.ts";
import type { Tensor } from "../runtime/tensor.ts";

export type Backward = {
  /** ONNX nodes of the program of loss and gradients. */
  readonly nodes: number;
  /** Kernels of so many micro-batches, by what they are for. */
  kernels(microBatches: number): Record<string, number>;
  /** Put the sums of the gradients over micro-batches on the device. Returns the sum of their losses, and Σ gradient². */
  run(batches: readonly Record<string, Tensor>[]): Promise<{ loss: number; squares: number }>;
};

/**
 * Compile the programs of `loss` and its gradients, which become states of the names that they have in `gradients`. Of the
 * inputs of `loss`, those that are batched are fed for each micro-batch and all others are states, of which those that are
 * frozen keep their values as long as the programs are used.
 */
export async function compileBackward(
  device: Device,
  loss: Value,
  gradients: Record<string, Value>,
  { batched, frozen }: { batched: ReadonlySet<string>; frozen: ReadonlySet<string> },
): Promise<Backward> {
  if (device.target.residency !== "copied") return runForEach(device, loss, gradients);
  return oneRun(device, { sums: gradients, each: { loss }, batched, frozen, total });
}

/** A run for each micro-batch, whose gradients are then added. */
async function runForEach(device: Device, loss: Value, gradients: Record<string, Value>): Promise<Backward> {
  const names = Object.keys(gradients);
  const backward = await device.compile({ ...gradients, loss }, { keep: names });
  const sums = Object.values(gradients).map(({ dtype, shape }, i) => input(names[i]!, dtype, shape));
  const norm = await device.compile({ squares: sumOfSquares(sums) });
  const adders = new Map<number, Program>(); // by rank
  const partOf = (name: string) => `part of ${name}`;

  return {
    nodes: backward.nodes,
    kernels: (microBatches) => ({
      "forward and backward": microBatches * backward.kernels,
      accumulate: (microBatches - 1) * names.length,
      norm: norm.kernels,
    }),
    async run(batches) {
      let loss = 0;
      for (const [i, feeds] of batches.entries()) {
        const writes = i === 0 ? {} : Object.fromEntries(names.map((name) => [name, partOf(name)]));
        loss += scalarOf((await backward.run(feeds, { writes })).loss);
        if (i === 0) continue;
        for (const { name, shape } of sums) {
          const add = adders.get(shape.length) ?? (await compileSum(device, shape.length));
          adders.set(shape.length, add);
          await add.run({}, { reads: { sum: name!, part: partOf(name!) }, writes: { next: name! } });
        }
        await device.forget(...names.map(partOf));
      }
      return { loss, squares: scalarOf((await norm.run({})).squares) };
    },
  };
}

async function compileSum(device: Device, rank: number): Promise<Program> {
  const shape = ["rows", ...Array.from({ length: rank - 1 }, (_, i) => `size_${i}`)];
  const next = Add(input("sum", "float32", shape), input("part", "float32", shape));
  return device.compileUpdate({ next });
}

/**
 * One run for all micro-batches: weights go to the device and gradients come back once, however many there are; weights that
 * never change are there already.
 *
 * The optimizer stays on the host with its states, which would cross the bus both ways. For 135 M weights of 4 bytes, weights
 * in and gradients out are 1.08 GB a step; weights and both moments in and out would be 3.24 GB: 0.03 s and 0.10 s at the
 * 31.5 GB/s of 16 lanes of PCIe 4.0, a few times that from pageable memory.
 */
async function oneRun(device: Device, accumulation: Accumulation): Promise<Backward> {
  const program = await device.compileAccumulation(accumulation, { keep: Object.keys(accumulation.sums) });
  return {
    nodes: program.nodes,
    kernels: () => ({}), // a provider that is not counted
    async run(batches) {
      const { loss, squares } = await program.run(batches);
      const losses = loss!.data as Float32Array;
      return { loss: losses.reduce((a, b) => a + b, 0), squares: scalarOf(squares) };
    },
  };
}

const total = (sums: Record<string, Value>) => ({ squares: sumOfSquares(Object.values(sums)) });

const scalarOf = (x: Tensor | undefined) => Number(x!.data[0]);
