import assert from "node:assert/strict";
import { test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { whyNoCuda } from "../../src/runtime/cuda.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { batchOf, compileFor, prepare, segment } from "../support/training.ts";

const missing = whyNoCuda();

test(
  "without the CUDA provider, device cuda is refused in a sentence that names the file",
  {
    skip: missing ? false : "the provider is installed",
  },
  async () => {
    await assert.rejects(
      openDevice("cuda"),
      (error: Error) =>
        error instanceof DistillError &&
        /^Device "cuda" cannot be used on this machine: \S*providers_cuda\S* is not there\. Expected .* says how to install it\.$/.test(
          error.message,
        ),
    );
  },
);

test(
  "20 steps of three micro-batches on cuda have the losses of the CPU",
  { skip: missing ?? false },
  async (context) => {
    let cuda: Device;
    try {
      cuda = await openDevice("cuda");
    } catch (error) {
      return context.skip((error as Error).message);
    }
    const batches = [1, 2, 3].map((seed) => batchOf([[segment(seed, 20, 5), segment(seed + 3, 9, 3)]], 32, 40, 16));
    const losses: number[][] = [];
    for (const device of [await openDevice("cpu"), cuda]) {
      const model = await prepare(device);
      const training = await compileFor(device, model, batches[0]!);
      const all: number[] = [];
      for (let step = 1; step <= 20; step++)
        all.push((await training.step(batches, { learning_rate: 3e-3, max_grad_norm: 1 })).loss);
      losses.push(all);
      await device.close();
    }
    const [expected, found] = losses as [number[], number[]];
    for (const [i, loss] of expected.entries())
      assert.ok(Math.abs(loss - found[i]!) <= 1e-3, `step ${i + 1}: cpu ${loss}, cuda ${found[i]}`);
  },
);
