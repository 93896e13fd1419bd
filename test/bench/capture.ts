/**
 * @file npm run bench:capture: the processor time that a step of training, and one of sampling, cost the thread which asks a GPU
 * for it, with the launches asked for one by one, and repeated. Takes webgpu on any adapter, also in software
 * (VK_DRIVER_FILES): what the adapter itself computes is not counted, so the model is as deep as SmolLM2-135M and an eighth as
 * wide. Linux only, for its clock of a thread.
 *
 *     npm run bench:capture -- [STEPS]
 */

import koffi from "koffi";
import { emit } from "../../src/compiler/emit.ts";
import { targets } from "../../src/compiler/targets.ts";
import { seededRandom } from "../../src/core/random.ts";
import { batchShape } from "../../src/data/batch.ts";
import { runningBatch } from "../../src/generation/running-batch.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import type { Device } from "../../src/runtime/device.ts";
import { Host } from "../../src/runtime/host.ts";
import { writeWeight } from "../../src/trainers/checkpoint.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { median } from "./median.ts";
import { randomBatch } from "./random-batch.ts";
import { SHAPES } from "./shapes.ts";

const steps = Number(process.argv[2] ?? 5);
const name = "SmolLM2-135M";
const narrow = { hidden_size: 72, intermediate_size: 192, vocab_size: 512 };
const config = { ...SHAPES[name]!.config, ...narrow };
const length = 64;
/** Texts that are sampled side by side. */
const TEXTS = 8;
const vocab = config.vocab_size as number;

const clock = koffi.load("libc.so.6").func("int clock_gettime(int clock, _Out_ int64_t *time)");
/** Linux's number of the clock that runs while the thread does. */
const CLOCK_THREAD_CPUTIME_ID = 3;

/** Milliseconds that this thread has computed. */
function computed(): number {
  const time = new BigInt64Array(2); // seconds and nanoseconds
  clock(CLOCK_THREAD_CPUTIME_ID, time);
  return Number(time[0]) * 1e3 + Number(time[1]) / 1e6;
}

let spent = 0;

/** A device whose programs run in this thread, which notes what they cost it. */
function deviceHere(host: Host, capture: boolean): Device {
  const timed = <T>(f: () => T): T => {
    const before = computed();
    const result = f();
    spent += computed() - before;
    return result;
  };
  return {
    name: "webgpu",
    target: targets.webgpu,
    resident: true,
    async compile(outputs: Parameters<Device["compile"]>[0], options: Parameters<Device["compile"]>[1] = {}) {
      const repeated = capture && (options.capture ?? false);
      const { bytes, nodes, kernels, ...types } = emit(outputs, targets.webgpu, { repeated });
      const id = host.compile({ bytes, ...types, keep: [], ...options, capture: repeated });
      return {
        nodes,
        kernels,
        run: async (feeds: Parameters<Host["run"]>[1], bindings = {}) => timed(() => host.run(id, feeds, bindings)),
        release: async () => host.release(id),
      };
    },
    write: async (state: string, tensor: Parameters<Host["write"]>[1]) => host.write(state, tensor),
    read: async (state: string) => host.read(state),
    states: async () => host.states(),
    forget: async (...names: string[]) => host.forget(names),
    undivided: <Result>(work: () => Promise<Result>) => work(),
  } as unknown as Device;
}

const model = createModel(config, name);
const pieces = { heads: model.num_heads, ...targets.webgpu.pieces! };
const shape = batchShape(1, length, vocab, pieces);
const batch = randomBatch(shape, vocab, seededRandom(1));
const costs: { ms: number; loss: number; kernels: number; sampling: number }[] = [];
for (const capture of [false, true]) {
  const host = Host.open({ provider: "webgpu", threads: 1, strict: true, pool: 1 });
  const device = deviceHere(host, capture);
  for (const weight of initialWeights(model, 1)) await writeWeight(device, model, weight);
  await resetMoments(device, model.parameters);
  const adamW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, rematerialize: false, alone: true };
  const training = await compileTraining(device, model, nextToken, shape, adamW);
  const times: number[] = [];
  let loss = 0;
  for (let step = 0; step < steps + 2; step++) {
    spent = 0;
    await training.ask([batch], { learning_rate: 1e-4, max_grad_norm: 1 });
    times.push(spent);
    ({ loss } = await training.report());
  }
  const kernels = Object.values(training.kernels(1)).reduce((a, b) => a + b);
  await training.release();
  costs.push({ ms: median(times.slice(2)), loss, kernels, sampling: await sampled(device) });
  await host.close();
}
/** Milliseconds of a step that adds a token to each text. */
async function sampled(device: Device): Promise<number> {
  const texts = runningBatch(device, model.eval(), "sampled");
  await texts.read([Array.from(batch.input_ids.slice(0, 8))], 1);
  await texts.arrange([], new Array<number>(TEXTS).fill(0));
  const times: number[] = [];
  for (let step = 0; step < steps + 2; step++) {
    spent = 0;
    await texts.step(new Array<number>(TEXTS).fill(step), 1);
    times.push(spent);
  }
  await texts.close();
  return median(times.slice(2));
}

const [single, repeated] = costs as [(typeof costs)[0], (typeof costs)[0]];
console.log(
  `${name} with a width of ${narrow.hidden_size}, a step of ${length} tokens on webgpu: milliseconds of the thread that asks for it`,
);
console.log(`one by one  ${single.ms.toFixed(1)} ms, ${single.kernels} kernels, loss ${single.loss.toFixed(6)}`);
console.log(`repeated    ${repeated.ms.toFixed(1)} ms, ${repeated.kernels} kernels, loss ${repeated.loss.toFixed(6)}`);
console.log(`${(single.ms / repeated.ms).toFixed(2)} times less`);
console.log(
  `a token of each of ${TEXTS} texts: ${single.sampling.toFixed(1)} ms and ${repeated.sampling.toFixed(1)} ms,`,
);
console.log(`${(single.sampling / repeated.sampling).toFixed(2)} times less`);
