/** @file Scalars that are summed over micro-batches, the gradients of the first, and their norm, for states in host memory. */

import { input, type Value } from "../graph/value.ts";
import { Add, Mul } from "../ops/index.ts";
import type { Device } from "../runtime/device.ts";
import type { Tensor } from "../runtime/tensor.ts";

export type Backward = {
  /** ONNX nodes of the program of loss and gradients. */
  readonly nodes: number;
  /** Kernels of so many micro-batches, by what they are for. */
  kernels(microBatches: number): Record<string, number>;
  /** Put the sums of the gradients over micro-batches on the device. Returns the sums of the scalars, and Σ gradient². */
  run(batches: readonly Record<string, Tensor>[]): Promise<{ scalars: number[]; squares: number }>;
};

/** Gradients become states of the names that they have in `sums`. */
type Sums = Pick<Backward, "nodes" | "kernels"> & {
  run(batches: readonly Record<string, Tensor>[]): Promise<number[]>;
};

/** Compile the programs of `scalars` and of gradients, which become states of the names that they have in `gradients`. */
export async function compileBackward(
  device: Device,
  scalars: Record<string, Value>,
  gradients: Record<string, Value>,
): Promise<Backward> {
  const names = Object.keys(gradients);
  const sums = await runForEach(device, scalars, gradients);
  const gradient = input("gradient", "float32", ["size"]);
  const squares = await device.compileLoop({}, Mul(gradient, gradient));
  return {
    nodes: sums.nodes,
    kernels: (microBatches) => ({ ...sums.kernels(microBatches), norm: names.length * squares.kernels }),
    async run(batches) {
      return {
        scalars: await sums.run(batches),
        squares: await squares.run(names.map((gradient) => ({ reads: { gradient } }))),
      };
    },
  };
}

/** A run for each micro-batch, whose gradients are then added. */
async function runForEach(
  device: Device,
  scalars: Record<string, Value>,
  gradients: Record<string, Value>,
): Promise<Sums> {
  const names = Object.keys(gradients);
  const backward = await device.compile({ ...gradients, ...scalars }, { keep: names, passing: names });
  const add = await device.compileLoop({
    next: Add(input("sum", "float32", ["size"]), input("part", "float32", ["size"])),
  });
  const partOf = (name: string) => `part of ${name}`;
  let held = false;

  return {
    nodes: backward.nodes,
    kernels: (microBatches) => ({
      "forward and backward": microBatches * backward.kernels,
      accumulate: (microBatches - 1) * names.length * add.kernels,
    }),
    async run(batches) {
      const sums = Object.keys(scalars).map(() => 0);
      if (held) await device.forget(...names); // this step computes in their memory
      held = false;
      for (const [i, feeds] of batches.entries()) {
        const writes = i === 0 ? {} : Object.fromEntries(names.map((name) => [name, partOf(name)]));
        const given = await backward.run(feeds, { writes });
        held = true;
        for (const [k, name] of Object.keys(scalars).entries()) sums[k]! += Number(given[name]!.data[0]);
        if (i === 0) continue;
        await add.run(names.map((name) => ({ reads: { sum: name, part: partOf(name) }, writes: { next: name } })));
        await device.forget(...names.map(partOf));
      }
      return sums;
    },
  };
}
