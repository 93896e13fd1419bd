/**
 * @file The owner of sessions and device memory. Runs in the worker thread, because InferenceSession.run blocks its thread.
 *
 * What is true here, and only here: every tensor in `states` lives where this host's provider computes; it is read back
 * through a session, never with getData; it is disposed before any session is released.
 */

import * as ort from "onnxruntime-node";
import { DistillError } from "../core/errors.ts";
import type { ElementType, OnnxValueInfo } from "../formats/onnx.ts";
import type { DType } from "../graph/value.ts";
import { whyNoCuda } from "./cuda.ts";
import { explained } from "./limits.ts";
import type { Bindings, CompileOptions, HostOptions, Requests } from "./protocol.ts";
import { copyModel, sessionOptions, squareModel } from "./session.ts";
import { StateLoops } from "./state-loops.ts";
import { part, States } from "./states.ts";
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
  readonly #states = new States((state) => [...this.#programs.values()].some(({ memory }) => memory?.includes(state)));
  readonly #copiers = new Map<string, ort.InferenceSession>();
  #next = 1;

  private constructor(options: HostOptions) {
    this.#options = options;
    this.loops = new StateLoops(options.threads, this.#states);
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
    const memory = frozen.map((name) => this.#states.at(name));
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
      operands[name] = fed ? toOrt(fed) : (read.get(name) ?? this.#states.at(bindings.reads?.[name] ?? name));
    }
    const results = await this.#ran(program.session, operands, written);
    const answers: Record<string, Tensor> = {};
    for (const { name } of program.outputs) {
      const result = results[name]!;
      if (written?.[name]) continue;
      if (!program.keep.includes(name)) answers[name] = fromOrt(result);
      else this.#states.keep(bindings.writes?.[name] ?? name, result, true);
    }
    return answers;
  }

  /** The parts of states in host memory that a run reads, and the fetches where it writes to others; null for new tensors. */
  #parts({ outputs, grow }: Loaded, { lengths, growth }: Bindings) {
    const read = new Map<string, ort.Tensor>();
    for (const [name, length] of Object.entries(lengths ?? {})) read.set(name, part(this.#states.at(name), 0, length));
    if (!grow || !growth) return { read };
    if (this.#options.provider !== "cpu")
      throw new Error(`The states of "${this.#options.provider}" do not grow in place.`);
    const { length, count } = growth;
    const written: Record<string, ort.Tensor | null> = {};
    for (const { name, shape } of outputs) {
      written[name] = null;
      const grown = grow[name];
      if (grown === undefined) continue;
      const state = this.#states.roomy(grown, length);
      read.set(grown, part(state, 0, length));
      const sizes = shape.map((dim, axis) => (typeof dim === "number" ? dim : axis === 0 ? count : state.dims[axis]!));
      written[name] = part(state, length - count, length, sizes);
    }
    return { read, written };
  }

  async write(name: string, value: Tensor): Promise<void> {
    const onHost = toOrt(value);
    if (this.#options.provider !== "webgpu") return this.#states.keep(name, onHost);
    const copier = await this.#copier(value.dtype, value.shape.length, "gpu-buffer");
    this.#states.keep(name, (await this.#ran(copier, { x: onHost })).y!);
  }

  async read(name: string): Promise<Tensor> {
    const state = this.#states.at(name);
    if (state.location !== "gpu-buffer") return { ...fromOrt(state), data: (state.data as TensorData).slice() };
    const copier = await this.#copier(state.type as DType, state.dims.length, "cpu");
    return fromOrt((await this.#ran(copier, { x: state })).y!);
  }

  states(): string[] {
    return this.#states.names();
  }

  forget(names: readonly string[]): void {
    this.#states.forget(names);
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
    this.forget(this.states());
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

const bytesOf = ({ buffer, byteOffset, byteLength }: TensorData) => new Uint8Array(buffer, byteOffset, byteLength);
