/**
 * @file npm run bench:gpu: training steps on a GPU, in several precisions and of several micro-batches, the sampler's decode
 * steps, and a plain 4096³ MatMul, against PyTorch on the same card where Python, given by --python, has torch with CUDA.
 * Prints tables for test/bench/results. Options, of which the first four may be repeated: --shape NAME, --precision
 * fp32|tf32|fp16, --micro-batches N a step, --decode SEQUENCES; --device webgpu|cuda, --recompute what is cheap, --steps N,
 * --python PATH, --compile for torch.compile too, --profile PREFIX of ONNX Runtime's profiles, --json; --toy runs small shapes,
 * on software Vulkan too. WebGPU's products are spelled as is fastest, which is measured first, as doctor does.
 */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Spelling } from "../../src/compiler/targets.ts";
import { ownPackage } from "../../src/core/package.ts";
import { seededRandom } from "../../src/core/random.ts";
import { batchShape } from "../../src/data/batch.ts";
import { openSampler } from "../../src/generation/sampler.ts";
import { createModel } from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import { elementsIn } from "../../src/models/model.ts";
import { type DeviceName, openDevice } from "../../src/runtime/device.ts";
import { measureSpellings } from "../../src/runtime/measure-spellings.ts";
import { measureMatMul } from "../../src/runtime/probe.ts";
import { writeWeight } from "../../src/trainers/checkpoint.ts";
import { type Precision, whyNoHalf } from "../../src/trainers/precision.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { randomBatch } from "./random-batch.ts";
import { type BenchShape, flopsOf, GPU_SHAPES, TOY_SHAPES } from "./shapes.ts";

const { values: options } = parseArgs({
  options: {
    device: { type: "string", default: "webgpu" },
    shape: { type: "string", multiple: true },
    precision: { type: "string", multiple: true },
    steps: { type: "string", default: "10" },
    "micro-batches": { type: "string", multiple: true, default: ["1"] },
    decode: { type: "string", multiple: true, default: [] },
    compile: { type: "boolean", default: false },
    recompute: { type: "boolean", default: false },
    profile: { type: "string" },
    python: { type: "string", default: ".venv/bin/python" },
    toy: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const shapes = options.toy ? TOY_SHAPES : GPU_SHAPES;
const names = options.shape ?? Object.keys(shapes);
for (const name of names)
  if (!shapes[name]) throw new Error(`Unknown shape "${name}". Expected one of: ${Object.keys(shapes).join(", ")}.`);
const matmul = options.toy ? 256 : 4096;
const microBatches = options["micro-batches"].map(Number);

/** ONNX Runtime's CUDA multiplies float32 in TF32 unless told not to; WebGPU has no such thing. */
type Kind = Precision | "tf32";
const precisions = (options.precision ??
  (options.device === "cuda" ? ["fp32", "tf32", "fp16"] : ["fp32", "fp16"])) as Kind[];

type Step = {
  shape: string;
  precision: string;
  micro_batches: number;
  tokens_per_s: number;
  tflops: number;
  kernels: number;
  nodes: number;
  loss: number;
  memory_mb: number | null;
};
type Decode = { shape: string; sequences: number; tokens_per_s: number };
type MatMul = { precision: string; tflops: number };
type Peer = { device: string; matmul: MatMul[]; steps: Omit<Step, "kernels" | "nodes" | "loss">[] };

const random = seededRandom(1);
const NOISE = Float32Array.from({ length: 65521 }, () => (random.uniform() - 0.5) * 0.07);

const spellings: Partial<Record<Kind, Spelling>> = {};
const steps: Step[] = [];
const decodes: Decode[] = [];
const matmuls: MatMul[] = [];
for (const precision of precisions) {
  if (!(await product(precision))) continue;
  for (const name of names) steps.push(...(await train(name, shapes[name]!, precision)));
}
for (const name of names)
  for (const sequences of options.decode.map(Number)) decodes.push(await decode(name, shapes[name]!, sequences));
const peer = pytorch();
const versions = {
  node: process.version,
  "onnxruntime-node": ownPackage().dependencies["onnxruntime-node"],
  card: describeCard(),
  device: options.device,
  recompute: options.recompute,
  products:
    Object.entries(spellings)
      .map(([precision, { forward, weight_gradient }]) => `${precision} ${forward} and ${weight_gradient}`)
      .join("; ") || null,
  pytorch: peer?.device ?? null,
};
if (options.json)
  console.log(JSON.stringify({ versions, matmul: { size: matmul, ours: matmuls }, steps, decodes, peer }));
else print();

/** A plain product; false where the device has no such precision. */
async function product(precision: Kind): Promise<boolean> {
  const device = await openDevice(options.device as DeviceName, { strict: true, tf32: precision === "tf32" });
  try {
    const reason = precision === "fp16" ? await whyNoHalf(device) : undefined;
    if (reason !== undefined) {
      console.error(`No half precision on ${options.device}: ${reason}`);
      return false;
    }
    const dtype = precision === "fp16" ? "float16" : "float32";
    const gflops = await measureMatMul(device, { size: matmul, runs: 50, dtype });
    matmuls.push({ precision, tflops: gflops / 1000 });
    if (device.spelling) spellings[precision] = (await measureSpellings(device, gflops, [dtype])).spelling;
    return true;
  } finally {
    await device.close();
  }
}

/** A device with a model of random weights. */
async function prepare(name: string, { config, lora }: BenchShape, precision: Kind) {
  const device = await openDevice(options.device as DeviceName, {
    strict: options.device === "webgpu",
    tf32: precision === "tf32",
    recompute: { [options.device]: options.recompute },
    ...(options.profile ? { profile: `${options.profile}_${name}_${precision}` } : {}),
  });
  device.spell(spellings[precision]);
  const model = createModel(config, name, lora ? { lora: LoraOptions.parse(lora) } : {});
  const { adapter } = model;
  for (const parameter of [...model.parameters, ...(adapter?.parameters ?? [])])
    await writeWeight(device, model, { ...parameter, data: someNoise(parameter.shape) });
  return { device, model, trained: adapter?.parameters ?? model.parameters };
}

/** Ones for a vector, noise of a prime period for a matrix: normal numbers for each weight would take longer than what is measured. */
function someNoise(shape: readonly number[]): Float32Array<ArrayBuffer> {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  if (shape.length === 1) return data.fill(1);
  for (let i = 0; i < data.length; i++) data[i] = NOISE[i % NOISE.length]!;
  return data;
}

async function train(name: string, bench: BenchShape, precision: Kind): Promise<Step[]> {
  const { config, rows, length } = bench;
  const began = performance.now();
  const say = (what: string) =>
    console.error(`${name} ${precision}: ${what} after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const before = usedMemory();
  const { device, model, trained } = await prepare(name, bench, precision);
  try {
    say("the weights are there");
    await resetMoments(device, trained);
    const [vocab, heads] = [config.vocab_size as number, config.num_attention_heads as number];
    const shape = batchShape(rows, length, vocab, device.target.pieces && { heads, ...device.target.pieces });
    const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, rematerialize: false };
    const settings = { ...adamw, precision: precision === "fp16" ? ("fp16" as const) : ("fp32" as const) };
    const training = await compileTraining(device, model, nextToken, shape, settings, trained);
    say(`${training.nodes} nodes compiled`);
    const random = seededRandom(1);
    const batch = () => randomBatch(shape, vocab, random);
    const found: Step[] = [];
    for (const micro_batches of microBatches) {
      const batches = Array.from({ length: micro_batches }, batch);
      const run = async (count: number) => {
        for (let step = 0; step < count; step++) await training.ask(batches, { learning_rate: 1e-4, max_grad_norm: 1 });
        return training.report(); // waits
      };
      await run(1);
      say(`the first step of ${micro_batches}`);
      await run(2);
      const count = Number(options.steps);
      const start = performance.now();
      const { loss } = await run(count);
      const seconds = (performance.now() - start) / 1000 / count;
      say(`the last of ${count + 3} steps of ${micro_batches}, ${(seconds * 1000).toFixed(0)} ms each`);
      const kernels = Object.values(training.kernels(micro_batches)).reduce((a, b) => a + b);
      const tflops =
        (micro_batches * flopsOf(bench, elementsIn(model.parameters), elementsIn(trained))) / seconds / 1e12;
      const used = usedMemory();
      const memory_mb = before === null || used === null ? null : used - before;
      const { nodes } = training;
      const tokens_per_s = (micro_batches * rows * length) / seconds;
      found.push({ shape: name, precision, micro_batches, tokens_per_s, tflops, kernels, nodes, loss, memory_mb });
    }
    return found;
  } finally {
    await device.close();
  }
}

/** Completions of 64 tokens of so many texts, until all have ended. */
async function decode(name: string, bench: BenchShape, sequences: number): Promise<Decode> {
  const { device, model } = await prepare(name, bench, "tf32");
  try {
    const sampler = openSampler(device, model, { stops: [] });
    const run = async (max_completion_length: number) => {
      const requests = Array.from({ length: sequences }, (_, seed) => ({ tokens: [1, 2, 3, 4], seed }));
      for await (const _ of sampler.generate(requests, { sequences, max_completion_length }));
    };
    await run(4);
    const start = performance.now();
    await run(64);
    const tokens_per_s = (64 * sequences * 1000) / (performance.now() - start);
    console.error(`${name}: ${sequences} sequences, ${tokens_per_s.toFixed(0)} tokens/s`);
    await sampler.close();
    return { shape: name, sequences, tokens_per_s };
  } finally {
    await device.close();
  }
}

/** What is taken of the card's memory, in MB; null where nobody says. */
function usedMemory(): number | null {
  try {
    const query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits"];
    return Number(execFileSync("nvidia-smi", query, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  } catch {
    return null;
  }
}

/** The same of PyTorch, eager, on the same card; undefined where it is not there. */
function pytorch(): Peer | undefined {
  if (!existsSync(options.python)) {
    console.error(`No peer: ${options.python} does not exist. Give --python a Python with torch and transformers.`);
    return undefined;
  }
  const chosen = names.map((name) => {
    const { config, rows, length, lora } = shapes[name]!;
    const { parameters, adapter } = createModel(config, name, lora ? { lora: LoraOptions.parse(lora) } : {});
    const flops = flopsOf(shapes[name]!, elementsIn(parameters), elementsIn(adapter?.parameters ?? parameters));
    return { name, config, rows, length, flops, ...(lora ? { lora } : {}) };
  });
  const request = JSON.stringify({
    shapes: chosen,
    steps: Number(options.steps),
    micro_batches: microBatches,
    matmul,
    compile: options.compile,
  });
  const answer = JSON.parse(
    execFileSync(options.python, ["test/bench/peers/gpu.py", request], { encoding: "utf8", maxBuffer: 2 ** 26 }),
  ) as Peer | { missing: string };
  if (!("missing" in answer)) return answer;
  console.error(`No peer: ${answer.missing}`);
  return undefined;
}

function describeCard(): string {
  try {
    const query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];
    return execFileSync("nvidia-smi", query, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return process.env.VK_DRIVER_FILES ?? "no NVIDIA card";
  }
}

function print(): void {
  console.log(`${new Date().toISOString().slice(0, 10)}: \`npm run bench:gpu -- ${process.argv.slice(2).join(" ")}\``);
  console.log(
    Object.entries(versions)
      .map(([key, value]) => `${key} ${value ?? "none"}`)
      .join(", "),
  );
  console.log(`\n| MatMul ${matmul}³ | TFLOP/s |\n|---|---|`);
  for (const { precision, tflops } of matmuls) console.log(`| ours, ${precision} | ${significant(tflops)} |`);
  for (const { precision, tflops } of peer?.matmul ?? [])
    console.log(`| PyTorch, ${precision} | ${significant(tflops)} |`);
  console.log(
    "\n| shape | precision | micro-batches | tokens/s | TFLOP/s | of the product's rate | kernels a step | memory | of PyTorch's |",
  );
  console.log("|---|---|---:|---:|---:|---:|---:|---:|---|");
  const gb = (mb: number | null) => (mb === null ? "" : `${(mb / 1024).toFixed(1)} GB`);
  const share = (tflops: number, precision: string, rates: readonly MatMul[]) => {
    const rate = rates.find((rate) => rate.precision === precision)?.tflops;
    return rate ? `${((100 * tflops) / rate).toFixed(0)} %` : "";
  };
  for (const { shape, precision, micro_batches, tokens_per_s, tflops, kernels, memory_mb } of steps) {
    const theirs = peer?.steps
      .filter((step) => step.shape === shape && step.micro_batches === micro_batches)
      .map((step) => `${significant(tokens_per_s / step.tokens_per_s)} × ${step.precision}`);
    console.log(
      `| ${shape} | ${precision} | ${micro_batches} | ${tokens_per_s.toFixed(0)} | ${significant(tflops)} | ${share(tflops, precision, matmuls)} | ${kernels} | ${gb(memory_mb)} | ${theirs?.join(", ") ?? ""} |`,
    );
  }
  for (const { shape, precision, micro_batches, tokens_per_s, tflops, memory_mb } of peer?.steps ?? [])
    console.log(
      `| ${shape} | PyTorch, ${precision} | ${micro_batches} | ${tokens_per_s.toFixed(0)} | ${significant(tflops)} | ${share(tflops, precision.split(" ")[0]!, peer!.matmul)} | | ${gb(memory_mb)} | |`,
    );
  if (decodes.length === 0) return;
  console.log("\n| shape | sequences | tokens/s |\n|---|---:|---:|");
  for (const { shape, sequences, tokens_per_s } of decodes)
    console.log(`| ${shape} | ${sequences} | ${tokens_per_s.toFixed(0)} |`);
}

function significant(value: number): string {
  return value.toPrecision(3);
}
