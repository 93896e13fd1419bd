/**
 * @file npm run bench:gpu: a training step on a GPU, in float32 and half precision, and a plain 4096³ MatMul, against
 * PyTorch's eager step on the same card where Python, given by --python, has torch with CUDA. Prints tables for
 * test/bench/results. Options: --device webgpu|cuda, --shape NAME and --precision fp32|fp16 (may be repeated), --steps N,
 * --micro-batches N a step, --python PATH, --profile PREFIX of ONNX Runtime's profiles, --json; --toy runs small shapes, on
 * software Vulkan too.
 */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { ownPackage } from "../../src/core/package.ts";
import { seededRandom } from "../../src/core/random.ts";
import { batchShape, layOut } from "../../src/data/batch.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import { type DeviceName, openDevice } from "../../src/runtime/device.ts";
import { measureMatMul } from "../../src/runtime/probe.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { type Precision, whyNoHalf } from "../../src/trainers/precision.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { type BenchShape, GPU_SHAPES, TOY_SHAPES } from "./shapes.ts";

const { values: options } = parseArgs({
  options: {
    device: { type: "string", default: "webgpu" },
    shape: { type: "string", multiple: true },
    precision: { type: "string", multiple: true, default: ["fp32", "fp16"] },
    steps: { type: "string", default: "10" },
    "micro-batches": { type: "string", default: "1" },
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
const microBatches = Number(options["micro-batches"]);

type Step = { shape: string; precision: string; tokens_per_s: number; tflops: number; kernels: number; loss: number };
type MatMul = { precision: string; tflops: number };
type Peer = { device: string; matmul: MatMul[]; steps: Omit<Step, "kernels" | "loss">[] };

const steps: Step[] = [];
const matmuls: MatMul[] = [];
for (const precision of options.precision as Precision[]) {
  if (!(await product(precision))) continue;
  for (const name of names) steps.push(await train(name, shapes[name]!, precision));
}
const peer = pytorch();
const versions = {
  node: process.version,
  "onnxruntime-node": ownPackage().dependencies["onnxruntime-node"],
  card: describeCard(),
  device: options.device,
  pytorch: peer?.device ?? null,
};
if (options.json) console.log(JSON.stringify({ versions, matmul: { size: matmul, ours: matmuls }, steps, peer }));
else print();

/** A plain product; false where the device has no such precision. */
async function product(precision: Precision): Promise<boolean> {
  const device = await openDevice(options.device as DeviceName, { strict: true });
  try {
    const reason = precision === "fp16" ? await whyNoHalf(device) : undefined;
    if (reason !== undefined) {
      console.error(`No half precision on ${options.device}: ${reason}`);
      return false;
    }
    const dtype = precision === "fp16" ? "float16" : "float32";
    const gflops = await measureMatMul(device, { size: matmul, runs: 50, dtype });
    matmuls.push({ precision, tflops: gflops / 1000 });
    return true;
  } finally {
    await device.close();
  }
}

async function train(name: string, { config, rows, length }: BenchShape, precision: Precision): Promise<Step> {
  const began = performance.now();
  const say = (what: string) =>
    console.error(`${name} ${precision}: ${what} after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const device = await openDevice(options.device as DeviceName, {
    strict: options.device === "webgpu",
    ...(options.profile ? { profile: `${options.profile}_${name}_${precision}` } : {}),
  });
  try {
    const model = createModel(config, name);
    for (const weight of initialWeights(model, 1))
      await device.write(weight.name, tensor("float32", weight.shape, weight.data));
    await resetMoments(device, model.parameters);
    const [vocab, heads] = [config.vocab_size as number, config.num_attention_heads as number];
    const shape = batchShape(rows, length, vocab, device.target.pieces && { heads, ...device.target.pieces });
    const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };
    const training = await compileTraining(device, model, nextToken, shape, {
      ...adamw,
      rematerialize: false,
      precision,
    });
    say(`${training.nodes} nodes compiled`);
    const random = seededRandom(1);
    const row = () => ({
      tokens: Array.from({ length }, () => random.below(vocab)),
      supervised: new Array<boolean>(length).fill(true),
    });
    const batches = Array.from({ length: microBatches }, () =>
      layOut(
        Array.from({ length: rows }, () => [row()]),
        shape,
      ),
    );
    const run = async (first: number, count: number) => {
      for (let step = first; step < first + count; step++)
        await training.ask(batches, { learning_rate: 1e-4, max_grad_norm: 1 });
      return training.report(); // waits
    };
    await run(1, 1);
    say("the first step");
    await run(2, 2);
    const count = Number(options.steps);
    const start = performance.now();
    const { loss } = await run(4, count);
    const seconds = (performance.now() - start) / 1000 / count;
    say(`the last of ${count + 3} steps`);
    const kernels = Object.values(training.kernels(microBatches)).reduce((a, b) => a + b);
    const tokens = microBatches * rows * length;
    const tflops = (microBatches * flopsOf({ config, rows, length }, model.parameters)) / seconds / 1e12;
    return { shape: name, precision, tokens_per_s: tokens / seconds, tflops, kernels, loss };
  } finally {
    await device.close();
  }
}

/** 6 for each weight and token; causal attention multiplies half of each length × length product, 3 times 2 of them a head. */
function flopsOf(
  { config, rows, length }: Pick<BenchShape, "config" | "rows" | "length">,
  parameters: readonly { shape: readonly number[] }[],
): number {
  const params = parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const [width, layers] = [config.hidden_size as number, config.num_hidden_layers as number];
  return rows * length * (6 * params + 6 * layers * width * length);
}

/** The same of PyTorch, eager, on the same card; undefined where it is not there. */
function pytorch(): Peer | undefined {
  if (!existsSync(options.python)) {
    console.error(`No peer: ${options.python} does not exist. Give --python a Python with torch and transformers.`);
    return undefined;
  }
  const chosen = names.map((name) => {
    const { config, rows, length } = shapes[name]!;
    const flops = flopsOf({ config, rows, length }, createModel(config, name).parameters);
    return { name, config, rows, length, flops };
  });
  const request = JSON.stringify({ shapes: chosen, steps: Number(options.steps), micro_batches: microBatches, matmul });
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
    "\n| shape | precision | tokens/s | TFLOP/s | kernels a step | of PyTorch's |\n|---|---|---|---|---|---|",
  );
  for (const { shape, precision, tokens_per_s, tflops, kernels } of steps) {
    const theirs = peer?.steps
      .filter((step) => step.shape === shape)
      .map((step) => `${significant(tokens_per_s / step.tokens_per_s)} × ${step.precision}`);
    console.log(
      `| ${shape} | ${precision} | ${tokens_per_s.toFixed(0)} | ${significant(tflops)} | ${kernels} | ${theirs?.join(", ") ?? ""} |`,
    );
  }
  for (const { shape, precision, tokens_per_s, tflops } of peer?.steps ?? [])
    console.log(`| ${shape} | PyTorch, ${precision} | ${tokens_per_s.toFixed(0)} | ${significant(tflops)} | | |`);
}

function significant(value: number): string {
  return value.toPrecision(3);
}
