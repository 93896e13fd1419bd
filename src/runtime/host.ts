/**
 * @file The owner of sessions and device memory. Runs in the worker thread, because InferenceSession.run blocks its thread.
 *
 * What is true here, and only here: every tensor in `states` lives where this host's provider computes; it is read back
 * through a session, never with getData; it is disposed before any session is released.
 */

import { MessageChannel } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import { DistillError } from "../core/errors.ts";
import type { ElementType, OnnxValueInfo } from "../formats/onnx.ts";
import type { DType } from "../graph/value.ts";
import { whyNoCuda } from "./cuda.ts";
import { explained } from "./limits.ts";
import type { Bindings, CompileOptions, HostOptions, Requests } from "./protocol.ts";
import { copyModel, sessionOptions, squareModel } from "./session.ts";
import { StateLoops } from "./state-loops.ts";
import type { Tensor, TensorData } from "./tensor.ts";

type Loaded = {
  session: ort.InferenceSession;
  inputs: readonly OnnxValueInfo[];
  outputs: readonly OnnxValueInfo[];
  /** What ONNX Runtime reads, without a reference of its own. */
  memory?: readonly ort.Tensor[];
} & CompileOptions;

export class Host {
  readonly #options: HostOptions;
  readonly #programs = new Map<number, Loaded>();
  readonly loops: StateLoops;
  readonly #sessions: () => ort.InferenceSession.SessionOptions;
  readonly #states = new Map<string, ort.Tensor>();
  readonly #copiers = new Map<string, ort.InferenceSession>();
  /** States that programs gave, whose memory nothing else refers to. */
  readonly #given = new WeakSet<ort.Tensor>();
  #next = 1;

  private constructor(options: HostOptions) {
    this.#options = options;
    this.loops = new StateLoops(options.threads, {
      elements: (name) => this.#elements(name),
      moved: (name, data) => this.#moved(name, data),
    });
    this.#sessions = sessionOptions(options);
  }

  /** A host on which a small product has been computed, so that a device that is not there is noticed here. */
  static async open(options: HostOptions): Promise<Host> {
    const host = new Host(options);
    try {
      const missing = options.provider === "cuda" ? whyNoCuda() : undefined;
      if (missing) throw new Error(missing);
      const { bytes, input, output } = squareModel();
      const probe = await host.compile({ bytes, inputs: [input], outputs: [output], keep: [], frozen: [] });
      const { y } = await host.run(
        probe,
        { x: { dtype: "float32", shape: [2, 2], data: new Float32Array(4).fill(1) } },
        {},
      );
      if (y?.data[0] !== 2) throw new Error(`it computed [1 1; 1 1]² = [${y?.data}]`);
      await host.release(probe);
    } catch (error) {
      const said = (error as Error).message.replaceAll(/\s+/g, " ");
      const reason = said.replace(/^\S+:\d+ .* was false\. /, "").slice(0, 300); // ONNX Runtime's own place and condition
      throw new DistillError(
        `Device "${options.provider}" cannot be used on this machine: ${reason.replace(/[.\s]*$/, ".")} ${CURES[options.provider]}`,
      );
    }
    return host;
  }

  async compile({ bytes, frozen, quiet, ...program }: Requests["compile"]["request"]): Promise<number> {
    const gpu = this.#options.provider === "webgpu";
    const locations = Object.fromEntries(
      program.outputs.map(({ name }) => [name, gpu && program.keep.includes(name) ? "gpu-buffer" : "cpu"] as const),
    );
    const memory = frozen.map((name) => this.#state(name));
    const session = await ort.InferenceSession.create(bytes, {
      ...this.#sessions(),
      ...(quiet ? { logSeverityLevel: FATAL } : {}),
      ...(program.threads === undefined ? {} : { intraOpNumThreads: program.threads }),
      externalData: memory.map(({ data }, i) => ({ path: frozen[i]!, data: bytesOf(data as TensorData) })),
      ...(gpu && program.keep.length > 0 ? { preferredOutputLocation: locations } : {}),
    });
    const id = this.#next++;
    this.#programs.set(id, { session, memory, ...program });
    return id;
  }

  /** Open a model file with its own weights. It is not in an order of ours, so ONNX Runtime may rewrite it. */
  async load(path: string): Promise<Requests["load"]["response"]> {
    let session: ort.InferenceSession;
    try {
      session = await ort.InferenceSession.create(path, { ...this.#sessions(), graphOptimizationLevel: "all" });
    } catch (error) {
      const reason = (error as Error).message.replaceAll(/\s+/g, " ").slice(0, 300);
      throw new DistillError(`${path} is not a model that ONNX Runtime can load: ${reason}`);
    }
    const [inputs, outputs] = [session.inputMetadata.map(toInfo), session.outputMetadata.map(toInfo)];
    const program = this.#next++;
    this.#programs.set(program, { session, inputs, outputs, keep: [] });
    return { program, inputs, outputs };
  }

  async run(id: number, feeds: Record<string, Tensor>, bindings: Bindings): Promise<Record<string, Tensor>> {
    const program = this.#programs.get(id);
    if (!program) throw new Error(`Program ${id} has been released.`);
    const { read, written } = this.#parts(program, bindings);
    const operands: Record<string, ort.Tensor> = {};
    for (const { name } of program.inputs) {
      const fed = feeds[name];
      operands[name] = fed ? toOrt(fed) : (read.get(name) ?? this.#state(bindings.reads?.[name] ?? name));
    }
    const results = await this.#ran(program.session, operands, written);
    const answers: Record<string, Tensor> = {};
    for (const { name } of program.outputs) {
      const result = results[name]!;
      if (written?.[name]) continue;
      if (!program.keep.includes(name)) answers[name] = fromOrt(result);
      else {
        this.#keep(bindings.writes?.[name] ?? name, result);
        this.#given.add(result);
      }
    }
    return answers;
  }

  /** The parts of states in host memory that a run reads, and the fetches where it writes to others; null for new tensors. */
  #parts({ outputs, grow }: Loaded, { lengths, growth }: Bindings) {
    const read = new Map<string, ort.Tensor>();
    for (const [name, length] of Object.entries(lengths ?? {})) read.set(name, part(this.#state(name), 0, length));
    if (!grow || !growth) return { read };
    if (this.#options.provider !== "cpu")
      throw new Error(`The states of "${this.#options.provider}" do not grow in place.`);
    const { length, count } = growth;
    const written: Record<string, ort.Tensor | null> = {};
    for (const { name, shape } of outputs) {
      written[name] = null;
      const grown = grow[name];
      if (grown === undefined) continue;
      const state = this.#roomy(grown, length);
      read.set(grown, part(state, 0, length));
      const sizes = shape.map((dim, axis) => (typeof dim === "number" ? dim : axis === 0 ? count : state.dims[axis]!));
      written[name] = part(state, length - count, length, sizes);
    }
    return { read, written };
  }

  /** A state that is at least `length` long along its first axis, and twice that where it had to be moved. */
  #roomy(name: string, length: number): ort.Tensor {
    const state = this.#state(name);
    const [capacity, ...rest] = state.dims as [number, ...number[]];
    if (capacity >= length) return state;
    const data = state.data as Float32Array;
    const larger = new (data.constructor as Float32ArrayConstructor)(2 * length * rest.reduce((a, b) => a * b, 1));
    larger.set(data);
    const moved = new ort.Tensor(state.type as "float32", larger, [2 * length, ...rest]);
    this.#keep(name, moved);
    this.#given.add(moved);
    return moved;
  }

  /** What a loop may take to another thread. */
  #elements(name: string): Float32Array<ArrayBuffer> {
    const state = this.#state(name);
    if (state.location !== "cpu" || !(state.data instanceof Float32Array))
      throw new Error(`A loop takes float32 states in host memory; "${name}" is ${state.type} in ${state.location}.`);
    if (this.#isFrozen(state)) throw new Error(`"${name}" is frozen: a program reads its memory.`);
    return state.data as Float32Array<ArrayBuffer>;
  }

  /** A state whose memory went to another thread and came back is another object. */
  #moved(name: string, data: Float32Array<ArrayBuffer>): void {
    const old = this.#state(name);
    if (old.data === data) return;
    const tensor = new ort.Tensor("float32", data, old.dims);
    if (this.#given.delete(old)) this.#given.add(tensor);
    this.#states.set(name, tensor);
  }

  async write(name: string, value: Tensor): Promise<void> {
    const onHost = toOrt(value);
    if (this.#options.provider !== "webgpu") return this.#keep(name, onHost);
    const copier = await this.#copier(value.dtype, value.shape.length, "gpu-buffer");
    this.#keep(name, (await this.#ran(copier, { x: onHost })).y!);
  }

  async read(name: string): Promise<Tensor> {
    const state = this.#state(name);
    if (state.location !== "gpu-buffer") return { ...fromOrt(state), data: (state.data as TensorData).slice() };
    const copier = await this.#copier(state.type as DType, state.dims.length, "cpu");
    return fromOrt((await this.#ran(copier, { x: state })).y!);
  }

  states(): string[] {
    return [...this.#states.keys()];
  }

  forget(names: readonly string[]): void {
    for (const name of names) {
      this.#free(this.#state(name));
      this.#states.delete(name);
    }
  }

  /** Release a program. On WebGPU sessions whose outputs may still be states stay alive with them, until close. */
  async release(id: number): Promise<void> {
    const program = this.#programs.get(id);
    if (!program || (this.#options.provider === "webgpu" && program.keep.length > 0)) return;
    this.#programs.delete(id);
    await program.session.release();
  }

  async close(): Promise<void> {
    await this.loops.close();
    this.forget([...this.#states.keys()]);
    for (const { session } of this.#programs.values()) await session.release();
    for (const session of this.#copiers.values()) await session.release();
    this.#programs.clear();
    this.#copiers.clear();
  }

  async #ran(
    session: ort.InferenceSession,
    operands: Record<string, ort.Tensor>,
    written?: Record<string, ort.Tensor | null>,
  ) {
    try {
      return await (written ? session.run(operands, written) : session.run(operands));
    } catch (error) {
      throw explained(error as Error, this.#options.provider);
    }
  }

  #state(name: string): ort.Tensor {
    const state = this.#states.get(name);
    if (!state)
      throw new DistillError(`The program needs "${name}", which is neither fed nor among the device's states.`);
    return state;
  }

  #keep(name: string, value: ort.Tensor): void {
    const old = this.#states.get(name);
    this.#states.set(name, value);
    if (old && old !== value) this.#free(old);
  }

  /** Free a state on the device, and at once what a program gave: garbage of this size is collected late. */
  #free(state: ort.Tensor): void {
    if (state.location === "gpu-buffer") state.dispose();
    else if (this.#given.delete(state) && !this.#isFrozen(state))
      nowhere.postMessage(null, [(state.data as TensorData).buffer as ArrayBuffer]);
  }

  #isFrozen(state: ort.Tensor): boolean {
    return [...this.#programs.values()].some(({ memory }) => memory?.includes(state));
  }

  /** A session that copies between host and device: the only safe way to read a device tensor. */
  async #copier(dtype: DType, rank: number, location: "cpu" | "gpu-buffer"): Promise<ort.InferenceSession> {
    const key = `${dtype} ${rank} ${location}`;
    const known = this.#copiers.get(key);
    if (known) return known;
    const session = await ort.InferenceSession.create(copyModel(dtype, rank), {
      ...this.#sessions(),
      preferredOutputLocation: location,
    });
    this.#copiers.set(key, session);
    return session;
  }
}

const FATAL = 4;

const CURES = {
  cpu: "",
  webgpu: "Expected a Vulkan, Metal or Direct3D 12 driver; on Linux libvulkan.so.1 and a driver (see VK_DRIVER_FILES).",
  cuda: "Expected ONNX Runtime's CUDA provider, an NVIDIA driver, and CUDA (the 12 or 13 that the provider is built for) with cuDNN 9; README.md, section NVIDIA, says how to install it.",
};

/** `from` to `to` of a state along its first axis, perhaps in another shape. */
function part({ type, dims, data }: ort.Tensor, from: number, to: number, shape?: readonly number[]): ort.Tensor {
  const [, ...rest] = dims;
  const row = rest.reduce((a, b) => a * b, 1);
  const elements = (data as Float32Array).subarray(from * row, to * row);
  return new ort.Tensor(type as "float32", elements, shape ?? [to - from, ...rest]);
}

function toInfo(metadata: ort.InferenceSession.ValueMetadata): OnnxValueInfo {
  if (!metadata.isTensor) throw new DistillError(`The model's "${metadata.name}" is not a tensor.`);
  return { name: metadata.name, elemType: metadata.type as ElementType, shape: metadata.shape };
}

const toOrt = ({ dtype, data, shape }: Tensor) => new ort.Tensor(dtype as "float32", data as Float32Array, shape);

const fromOrt = ({ type, data, dims }: ort.Tensor): Tensor => ({
  dtype: type as DType,
  shape: dims,
  data: data as TensorData,
});

/** A port that nobody listens to: memory that is transferred to it is freed. */
const nowhere = new MessageChannel().port1;
nowhere.close();

const bytesOf = ({ buffer, byteOffset, byteLength }: TensorData) => new Uint8Array(buffer, byteOffset, byteLength);
