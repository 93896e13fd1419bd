/** @file Devices as the rest of the toolkit sees them: programs and named state, all work in a worker thread. */

import { emit } from "../compiler/emit.ts";
import { emitLoop } from "../compiler/loop.ts";
import {
  keeping,
  type Residency,
  type Spelling,
  sparing,
  spelled,
  spellingOf,
  type Target,
  targets,
} from "../compiler/targets.ts";
import { DistillError, Stopped } from "../core/errors.ts";
import type { OnnxValueInfo } from "../formats/onnx.ts";
import type { Value } from "../graph/value.ts";
import { HostWorker } from "./host-worker.ts";
import { namingKernel } from "./missing-kernel.ts";
import { OrtLibrary } from "./ort/library.ts";
import {
  type Bindings,
  type CompileOptions,
  type HostOptions,
  type LoopRun,
  PROVIDERS,
  type Provider,
} from "./protocol.ts";
import { exitQuickly } from "./quick-exit.ts";
import { keptSpelling } from "./spellings.ts";
import type { Tensor } from "./tensor.ts";

export const DEVICES = [...PROVIDERS, "auto"] as const;
export type DeviceName = (typeof DEVICES)[number];

export type DeviceOptions = {
  /** Threads within an op on the CPU, and for loops over states in host memory; 0 is one a core. */
  threads?: number;
  /** Refuse a program of which any node would run on the CPU instead of the device. */
  strict?: boolean;
  /** Write ONNX Runtime's profile of every session to files that start so. */
  profile?: string;
  /** Treat states as those of a device that keeps them so: the CPU stands in for a GPU with "device". */
  residency?: Residency;
  /** Of GPUs: whether what is cheap is computed again rather than kept for the backward pass; by their targets unless given. */
  recompute?: Partial<Record<Provider, boolean>>;
} & Pick<HostOptions, "tf32" | "device_id" | "memory_limit">;

/** A compiled graph without weights. Its inputs are fed, or read from the device's states of the same names. */
export type Program = {
  /** The number of ONNX nodes. */
  readonly nodes: number;
  /** Kernels that a run launches; 0 where that is not known. */
  readonly kernels: number;
  /** Run once. Returns the outputs that are not kept on the device. */
  run(feeds: Record<string, Tensor>, bindings?: Bindings): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
};

/** An elementwise program over states in host memory. */
export type HostLoop = {
  /** Kernels that it launches on the device for each set of states: none. */
  readonly kernels: number;
  /** Run for several sets of states, which may be spread over threads. Returns the sum over all their elements. */
  run(runs: readonly LoopRun[]): Promise<number>;
};

/** A model file: a program with weights of its own. Sizes known only at run time are names. */
export type LoadedModel = Program & {
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
};

/** Open a device. "auto" is the one of those that work which multiplies fastest. */
export async function openDevice(name: DeviceName, options: DeviceOptions = {}): Promise<Device> {
  if (!DEVICES.includes(name))
    throw new DistillError(`Unknown device "${name}". Expected one of: ${DEVICES.join(", ")}.`);
  return name === "auto" ? fastest(options) : Device.open(name, options);
}

/** Threads of the process's programs: those that its first device was opened with. */
let pool: number | undefined;

export class Device {
  readonly name: Provider;
  #target: Target;
  readonly #worker: HostWorker;
  /** Where the worker's ONNX Runtime looks whether its runs are to stop. */
  #stop: bigint | undefined;
  /** Whether runs are to stop, as soon as nothing is under way that must be whole. */
  #interrupted = false;
  #undivided = 0;

  private constructor(name: Provider, { residency, recompute }: DeviceOptions) {
    this.name = name;
    const target = targets[name];
    const kept = target.measured ? keptSpelling() : undefined;
    const own = kept ? spelled(target, kept) : target;
    this.#target = residency ? { ...own, residency } : own;
    const again = recompute?.[name];
    if (again !== undefined) this.recompute(again);
    this.#worker = new HostWorker(name);
  }

  static async open(
    name: Provider,
    { threads = 0, strict = false, residency, recompute, ...options }: DeviceOptions,
  ): Promise<Device> {
    OrtLibrary.open(); // in this thread too, so that no worker that ends unloads it
    if (name === "webgpu") exitQuickly();
    const device = new Device(name, { ...(residency && { residency }), ...(recompute && { recompute }) });
    pool ??= threads;
    try {
      device.#stop = await device.#call("open", { provider: name, threads, strict, pool, ...options });
    } catch (error) {
      await device.#worker.end();
      throw error;
    }
    return device;
  }

  get target(): Target {
    return this.#target;
  }

  /** How its transposed products are spelled, where that differs from adapter to adapter. */
  get spelling(): Spelling | undefined {
    return this.#target.measured ? spellingOf(this.#target) : undefined;
  }

  /** Spell the products of programs that are compiled from now on so, where that differs from adapter to adapter. */
  spell(spelling: Spelling | undefined): void {
    if (spelling && this.#target.measured) this.#target = spelled(this.#target, spelling);
  }

  /** On a GPU: whether programs that are compiled from now on compute again what is cheap rather than keep it. */
  recompute(again: boolean): void {
    this.#target = (again ? sparing : keeping)(this.#target);
  }

  /** Whether states lie in memory of the device's own, where every kernel is a launch and every look at a state a wait. */
  get resident(): boolean {
    return this.target.residency === "device";
  }

  /** Compile the program that computes `outputs`, in their order as far as they do not depend on each other. */
  async compile(outputs: Record<string, Value>, options: Partial<CompileOptions> = {}): Promise<Program> {
    const repeated = options.capture ?? false;
    const { bytes, nodes, kernels, ...types } = emit(outputs, this.target, { repeated });
    const opened = this.#call("compile", { bytes, ...types, keep: [], ...options });
    return this.#program(await opened.catch(this.#naming(outputs)), nodes, kernels);
  }

  /** Throw a sentence that names the kernel that is not there, where that is why a program does not open. */
  #naming(outputs: Record<string, Value>): (error: Error) => Promise<never> {
    const failure = async (y: Value): Promise<Error | undefined> => {
      try {
        const { bytes, inputs, outputs } = emit({ y }, this.target);
        const request = { bytes, inputs, outputs, keep: [] };
        await this.#call("release", { program: await this.#call("compile", request) });
        return undefined;
      } catch (error) {
        return error as Error;
      }
    };
    return async (error) => {
      throw await namingKernel(error, Object.values(outputs), this, failure);
    };
  }

  /** Compile the loop that computes elementwise `outputs` in place, and sums `sum`, of states in host memory. */
  async compileLoop(outputs: Record<string, Value>, sum?: Value): Promise<HostLoop> {
    if (this.resident) throw new Error(`The states of "${this.name}" are not in host memory.`);
    const loop = await this.#call("compileLoop", emitLoop(outputs, sum));
    return { kernels: 0, run: (runs) => this.#call("runLoop", { loop, runs }) };
  }

  /** Load an ONNX file, and the data files beside it. Its inputs are fed. */
  async load(path: string): Promise<LoadedModel> {
    const { program, inputs, outputs } = await this.#call("load", { path });
    return { ...this.#program(program, 0, 0), inputs, outputs };
  }

  #program(program: number, nodes: number, kernels: number): Program {
    return {
      nodes,
      kernels,
      run: (feeds, bindings = {}) => this.#call("run", { program, feeds, bindings }),
      release: () => this.#call("release", { program }),
    };
  }

  /** Put a state on the device, in place of one of that name. The tensor's memory is moved, not copied. */
  write(name: string, tensor: Tensor): Promise<void> {
    const { buffer, byteLength } = tensor.data;
    const whole = byteLength === buffer.byteLength && buffer instanceof ArrayBuffer;
    return this.#call("write", { name, tensor }, whole ? [buffer] : []);
  }

  /** A copy of a state. */
  read(name: string): Promise<Tensor> {
    return this.#call("read", { name });
  }

  /** The names of all states. */
  states(): Promise<string[]> {
    return this.#call("states", undefined);
  }

  /** Free states. */
  forget(...names: string[]): Promise<void> {
    return this.#call("forget", { names });
  }

  /**
   * Have the run that is under way end with `Stopped`, and every later one, until `proceed`. What it was to write is undefined;
   * what is done undivided is done first.
   */
  interrupt(): void {
    this.#interrupted = true;
    if (this.#undivided === 0 && this.#stop !== undefined) OrtLibrary.open().call("RunOptionsSetTerminate", this.#stop);
  }

  /** Do what must be whole or not begun, such as an update of weights where they are: an interruption waits for its end. */
  async undivided<Done>(work: () => Promise<Done>): Promise<Done> {
    if (this.#interrupted) throw new Stopped();
    this.#undivided++;
    try {
      return await work();
    } finally {
      if (--this.#undivided === 0 && this.#interrupted) this.interrupt();
    }
  }

  /** Interrupt where a signal says so, until what is returned is called, which lets programs run again. */
  heed(signal: AbortSignal | undefined): () => Promise<void> {
    const heard = () => this.interrupt();
    if (signal?.aborted) heard();
    else signal?.addEventListener("abort", heard);
    return async () => {
      signal?.removeEventListener("abort", heard);
      if (this.#interrupted) await this.proceed();
    };
  }

  /** Let programs run again. */
  async proceed(): Promise<void> {
    this.#interrupted = false;
    await this.#call("proceed", undefined);
  }

  /** The process's largest resident set so far, in MiB. */
  async peakMemory(): Promise<number> {
    return (await this.#call("memory", undefined)).peak_rss_mb;
  }

  /** Free everything and end the worker thread. */
  async close(): Promise<void> {
    if (!this.#worker.lost) await this.#call("close", undefined);
    await this.#worker.end();
  }

  get #call(): HostWorker["call"] {
    return this.#worker.call;
  }
}

async function fastest(options: DeviceOptions): Promise<Device> {
  const { measureMatMul } = await import("./probe.ts");
  let best: { device: Device; rate: number } | undefined;
  for (const name of PROVIDERS) {
    const device = await Device.open(name, options).catch((error: unknown) => {
      if (error instanceof DistillError) return undefined; // not there
      throw error;
    });
    if (!device) continue;
    const rate = await measureMatMul(device, { size: 512, runs: 5 });
    const [winner, loser] = !best || rate > best.rate ? [{ device, rate }, best] : [best, { device, rate }];
    await loser?.device.close();
    best = winner;
  }
  return best!.device;
}
