/**
 * @file npm run bench:train -- --kernels: how many kernels a training step launches on a GPU, by what they are for. Nothing is
 * run: a device that only counts takes the place of one that computes.
 */

import { emit, kindsOf } from "../../src/compiler/emit.ts";
import type { Count } from "../../src/compiler/kernels.ts";
import { estimate } from "../../src/compiler/memory.ts";
import { keeping, type Target, targets } from "../../src/compiler/targets.ts";
import { batchShape } from "../../src/data/batch.ts";
import type { Value } from "../../src/graph/value.ts";
import { createModel } from "../../src/models/load.ts";
import type { Device, HostLoop, Program } from "../../src/runtime/device.ts";
import { compileTraining } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import type { BenchShape } from "./shapes.ts";

/** What a step launched before kernels were counted: compositions in primitive ops, AdamW a program for each tensor. */
const plain: Target = {
  ...targets.webgpu,
  has: (op, dtype) => !op.expand && targets.webgpu.has(op, dtype),
  gemmTransA: false,
  gemmTransB: true,
  fewKernels: false,
  accumulates: Infinity,
  binds: Infinity,
};

export type KernelCount = { emission: string; parts: Record<string, number>; total: number };

/** The kernels of a step of `microBatches` micro-batches, plain and as they are. */
export async function countKernelsOf(
  { config, rows, length, rematerialize = false }: BenchShape,
  microBatches: number,
): Promise<KernelCount[]> {
  const model = createModel(config, "The shape");
  const [vocab, heads] = [config.vocab_size as number, config.num_attention_heads as number];
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, rematerialize, alone: true };
  const counted = async (emission: string, target: Target, resident: boolean, precision: "fp32" | "fp16") => {
    const shape = batchShape(rows, length, vocab, resident && target.pieces ? { heads, ...target.pieces } : undefined);
    const training = await compileTraining(counter(target, resident), model, nextToken, shape, {
      ...optimizer,
      precision,
    });
    const parts = training.kernels(microBatches);
    return { emission, parts, total: Object.values(parts).reduce((a, b) => a + b) };
  };
  return [
    await counted("plain", plain, false, "fp32"),
    await counted("now, fp32", targets.webgpu, true, "fp32"),
    await counted("now, fp32, keeping", keeping(targets.webgpu), true, "fp32"),
    await counted("now, fp16", targets.webgpu, true, "fp16"),
    await counted("now, fp16, keeping", keeping(targets.webgpu), true, "fp16"),
  ];
}

/** The nodes of forward and backward of one micro-batch by kind, on a target whose states stay on the device. */
export async function kindsOfStep(
  { config, rows, length, rematerialize = false }: BenchShape,
  target: Target,
  precision: "fp32" | "fp16",
): Promise<{
  kinds: Map<string, Count>;
  nodes: number;
  kernels: number;
  step: number;
  /** What all but products of matrices reads and writes, and what those multiply and add. */
  moved_gb: number;
  tflop: number;
}> {
  const model = createModel(config, "The shape");
  const pieces = target.pieces && { heads: model.num_heads, ...target.pieces };
  const shape = batchShape(rows, length, config.vocab_size as number, pieces);
  const programs: Record<string, Value>[] = [];
  const device = counter(target, true, (outputs) => programs.push(outputs));
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, rematerialize, alone: true };
  const training = await compileTraining(device, model, nextToken, shape, { ...optimizer, precision });
  const kinds = kindsOf(programs[0]!, target);
  const sum = (of: keyof Count) => [...kinds.values()].reduce((total, count) => total + count[of], 0);
  const step = Object.values(training.kernels(1)).reduce((a, b) => a + b);
  const [every, piece] = [rows * length, Math.ceil((rows * length) / shape.chunks)];
  const sizes = (name: string) => (name === "supervised" ? piece : every);
  const { moved_bytes, flops } = estimate(programs[0]!, target, sizes);
  return {
    kinds,
    nodes: sum("nodes"),
    kernels: sum("kernels"),
    step,
    moved_gb: Number((moved_bytes / 1e9).toPrecision(3)),
    tflop: Number((flops / 1e12).toPrecision(3)),
  };
}

/** A device that compiles programs and runs none. */
function counter(
  target: Target,
  resident: boolean,
  compiled: (outputs: Record<string, Value>) => void = () => {},
): Device {
  const nothing = async () => {};
  const compile = async (outputs: Record<string, Value>, options?: { capture?: boolean }): Promise<Program> => {
    compiled(outputs);
    const { nodes, kernels } = emit(outputs, target, { repeated: options?.capture ?? false });
    return { nodes, kernels, run: async () => ({}), release: nothing };
  };
  /** As a program for each tensor: a sum takes two kernels more than what it sums. */
  const compileLoop = async (outputs: Record<string, Value>, sum?: Value): Promise<HostLoop> => {
    const { kernels } = emit({ ...outputs, ...(sum ? { sum } : {}) }, target);
    return { kernels: kernels + (sum ? 2 : 0), run: async () => 0 };
  };
  return { target, resident, compile, compileLoop, write: nothing, forget: nothing } as unknown as Device;
}
