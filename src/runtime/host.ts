/**
 * @file The owner of sessions and states. Runs in the worker thread, because a run blocks its thread.
 *
 * A state is written over in place where the program that gives it does not read it; otherwise what is given takes its place
 * after the run. So addresses last as long as shapes do, and nothing is copied.
 */

import { DistillError } from "../core/errors.ts";
import { ELEMENT_BYTES, type OnnxValueInfo } from "../formats/onnx.ts";
import type { DType } from "../graph/value.ts";
import { Captured } from "./captured.ts";
import { Copiers } from "./copiers.ts";
import { whyNoCuda } from "./cuda.ts";
import { explained } from "./limits.ts";
import { squareModel } from "./models.ts";
import { OrtEnvironment } from "./ort/environment.ts";
import { OrtMemory, type OrtTensor } from "./ort/memory.ts";
import type { OrtSession } from "./ort/session.ts";
import type { Bindings, CompileOptions, HostOptions, Requests } from "./protocol.ts";
import { StateLoops } from "./state-loops.ts";
import { part, States } from "./states.ts";
import { emptyData, type Tensor } from "./tensor.ts";

type Loaded = {
  session: OrtSession;
  inputs: readonly OnnxValueInfo[];
  outputs: readonly OnnxValueInfo[];
  captured?: Captured | undefined;
  /** Whether the session made tensors that are states: their memory is its own. */
  lends?: boolean;
} & CompileOptions;

/** What a device calls its memory. */
const MEMORY = { webgpu: "WebGPU_Buffer", cuda: "Cuda" };

export class Host {
  readonly #options: HostOptions;
  readonly #environment: OrtEnvironment;
  readonly #programs = new Map<number, Loaded>();
  readonly #memory: OrtMemory;
  readonly #states: States;
  readonly #copiers: Copiers;
  /** The session whose memory the states are in, where that is a device's. */
  readonly #base: OrtSession | undefined;
  readonly loops: StateLoops;
  #next = 1;

  private constructor(options: HostOptions, environment: OrtEnvironment) {
    const { provider, device_id: id = 0 } = options;
    this.#options = options;
    this.#environment = environment;
    this.#base = provider === "cpu" ? undefined : environment.open(squareModel().bytes);
    this.#memory = new OrtMemory(
      environment.ort,
      this.#base && { memory: MEMORY[provider as keyof typeof MEMORY], id, session: this.#base.session },
    );
    this.#states = new States(this.#memory);
    this.#copiers = new Copiers(environment, this.#memory);
    this.loops = new StateLoops(options.threads, this.#states);
  }

  /** A host on which a small product has been computed, so that a device that is not there is noticed here. */
  static open(options: HostOptions): Host {
    try {
      const missing = options.provider === "cuda" ? whyNoCuda() : undefined;
      if (missing) throw new Error(missing);
      const host = new Host(options, new OrtEnvironment(options));
      const { bytes, input, output } = squareModel();
      const probe = host.compile({ bytes, inputs: [input], outputs: [output], keep: [] });
      const x = { dtype: "float32", shape: [2, 2], data: new Float32Array(4).fill(1) } as const;
      const { y } = host.run(probe, { x }, {});
      if (y?.data[0] !== 2) throw new Error(`it computed [1 1; 1 1]² = [${y?.data}]`);
      host.release(probe);
      return host;
    } catch (error) {
      if (error instanceof DistillError) throw error;
      const said = (error as Error).message.replaceAll(/\s+/g, " ");
      const reason = said.replace(/^\S+:\d+ .* was false\. /, "").slice(0, 300); // ONNX Runtime's own place and condition
      throw new DistillError(
        `Device "${options.provider}" cannot be used on this machine: ${reason.replace(/[.\s]*$/, ".")} ${CURES[options.provider]}`,
      );
    }
  }

  /** Where another thread may say that runs are to stop. */
  get stop(): bigint {
    return this.#environment.runOptions;
  }

  /** Let runs go on after one was stopped. */
  proceed(): void {
    this.#environment.ort.call("RunOptionsUnsetTerminate", this.stop);
  }

  compile({ bytes, quiet = false, ...program }: Requests["compile"]["request"]): number {
    const { threads } = program;
    const fixed = program.outputs.every(({ shape }) => shape.every((dim) => typeof dim === "number"));
    const wants = (program.capture ?? false) && fixed && this.#options.provider !== "cpu";
    const opened = wants ? this.#capturing(bytes) : undefined;
    const session = opened ?? this.#environment.open(bytes, { quiet, threads });
    const captured = opened && new Captured(this.#environment, this.#memory, this.#copiers, opened);
    const id = this.#next++;
    this.#programs.set(id, { session, captured, ...program });
    return id;
  }

  /** A session whose launches the device repeats; undefined where it cannot, and the program runs as any other. */
  #capturing(bytes: Uint8Array): OrtSession | undefined {
    try {
      return this.#environment.open(bytes, { quiet: true, capture: true });
    } catch {
      return undefined;
    }
  }

  /** Open a model file with its own weights. It is not in an order of ours, so ONNX Runtime may rewrite it. */
  load(path: string): Requests["load"]["response"] {
    let session: OrtSession;
    try {
      session = this.#environment.open(path, { rewrite: true });
    } catch (error) {
      throw new DistillError(
        `${path} is not a model that ONNX Runtime can load: ${(error as Error).message.replaceAll(/\s+/g, " ").slice(0, 300)}`,
      );
    }
    const { inputs, outputs } = session.describe();
    const program = this.#next++;
    this.#programs.set(program, { session, inputs, outputs, keep: [] });
    return { program, inputs, outputs };
  }

  run(id: number, feeds: Record<string, Tensor>, bindings: Bindings): Record<string, Tensor> {
    const program = this.#programs.get(id);
    if (!program) throw new Error(`Program ${id} has been released.`);
    try {
      return program.captured
        ? this.#runCaptured(program, program.captured, feeds, bindings)
        : this.#run(program, feeds, bindings);
    } catch (error) {
      if (/terminate flag/.test((error as Error).message)) throw new DistillError("The run was stopped.");
      throw explained(error as Error, this.#options.provider);
    }
  }

  #run(program: Loaded, feeds: Record<string, Tensor>, bindings: Bindings): Record<string, Tensor> {
    const { session, outputs, keep } = program;
    const { read, sizes, temporary } = this.#bindInputs(program, feeds, bindings);
    const written = this.#grown(program, bindings);
    const answers = new Map<string, OrtTensor>();
    const kept = new Map<string, OrtTensor>();
    for (const info of outputs) {
      const { name } = info;
      const grown = written.get(name);
      const shape = grown ? undefined : resolved(info, sizes);
      const dtype = info.elemType as DType;
      const isKept = keep.includes(name);
      let into: OrtTensor | undefined;
      if (grown) into = this.#memory.lent(grown);
      else if (!shape) session.make(name, isKept ? this.#memory.place : this.#memory.host);
      else if (isKept) {
        into = this.#placeFor(bindings.writes?.[name] ?? name, dtype, shape, new Set([...read, ...kept.values()]));
        kept.set(name, into);
      } else {
        into = this.#memory.lent({ dtype, shape, data: emptyData(dtype, shape) });
        answers.set(name, into);
      }
      if (into) session.write(name, into);
      if (grown) temporary.push(into!);
    }
    try {
      session.run(this.stop);
    } catch (error) {
      for (const [name, tensor] of kept)
        if (this.#states.find(bindings.writes?.[name] ?? name) !== tensor) this.#memory.free(tensor);
      throw error;
    } finally {
      for (const tensor of temporary) this.#memory.free(tensor, false);
    }
    for (const [name, value] of session.takeMade()) {
      const info = outputs.find((info) => info.name === name)!;
      const isKept = keep.includes(name);
      const toHost = !isKept || this.#memory.shared;
      const made = this.#memory.given(value, info.elemType as DType, toHost);
      if (isKept) {
        kept.set(name, made);
        program.lends ||= !toHost;
      } else answers.set(name, made);
    }
    for (const [name, tensor] of kept) this.#settle(bindings.writes?.[name] ?? name, tensor);
    return Object.fromEntries([...answers].map(([name, tensor]) => [name, this.#taken(tensor)]));
  }

  #runCaptured(
    { inputs, outputs, keep }: Loaded,
    captured: Captured,
    feeds: Record<string, Tensor>,
    bindings: Bindings,
  ): Record<string, Tensor> {
    const read = new Set<OrtTensor>();
    for (const { name } of inputs) {
      const fed = feeds[name];
      if (fed) captured.feed(name, fed);
      else {
        const state = this.#states.at(bindings.reads?.[name] ?? name);
        captured.read(name, state);
        read.add(state);
      }
    }
    const kept = new Map<string, OrtTensor>();
    const answered: string[] = [];
    for (const { name, elemType, shape } of outputs) {
      const target = bindings.writes?.[name] ?? name;
      if (!keep.includes(name)) {
        captured.give(name, elemType as DType, shape as number[]);
        answered.push(name);
        continue;
      }
      const into = this.#placeFor(target, elemType as DType, shape as number[], read);
      kept.set(target, into);
      captured.write(name, into);
    }
    captured.run();
    for (const [target, tensor] of kept) this.#states.keep(target, tensor);
    return Object.fromEntries(answered.map((name) => [name, captured.answer(name)]));
  }

  /** Bind what a run reads. Returns the states among it, the sizes that it has by name, and what is to be freed after it. */
  #bindInputs({ session, inputs, grow }: Loaded, feeds: Record<string, Tensor>, bindings: Bindings) {
    const { reads, lengths = {}, growth } = bindings;
    const grown = new Set(growth ? Object.values(grow ?? {}) : []);
    const read = new Set<OrtTensor>();
    const temporary: OrtTensor[] = [];
    const sizes = new Map<string, number>();
    for (const { name, shape } of inputs) {
      const fed = feeds[name];
      let tensor: OrtTensor;
      if (fed) {
        tensor = this.#memory.lent(fed);
        temporary.push(tensor);
      } else {
        const length = grown.has(name) ? growth!.length : lengths[name];
        const state = grown.has(name)
          ? this.#states.roomy(name, growth!.length)
          : this.#states.at(reads?.[name] ?? name);
        read.add(state);
        tensor = state;
        if (length !== undefined) {
          tensor = this.#memory.lent(part(state, 0, length));
          temporary.push(tensor);
        }
      }
      for (const [axis, dim] of shape.entries()) if (typeof dim === "string") sizes.set(dim, tensor.shape[axis]!);
      session.read(name, tensor);
    }
    return { read, temporary, sizes };
  }

  /** The ends of states to which a run writes, by output. */
  #grown({ outputs, grow }: Loaded, { growth }: Bindings): Map<string, Tensor> {
    if (!grow || !growth) return new Map();
    if (!this.#memory.shared) throw new Error(`The states of "${this.#options.provider}" do not grow in place.`);
    const { length, count } = growth;
    return new Map(
      outputs.flatMap(({ name, shape }): [string, Tensor][] => {
        if (grow[name] === undefined) return [];
        const state = this.#states.roomy(grow[name], length);
        const sizes = shape.map((dim, axis) =>
          typeof dim === "number" ? dim : axis === 0 ? count : state.shape[axis]!,
        );
        return [[name, part(state, length - count, length, sizes)]];
      }),
    );
  }

  /** Where a run writes a state: in place, unless it reads what is there or that is of another size. */
  #placeFor(name: string, dtype: DType, shape: readonly number[], read: ReadonlySet<OrtTensor>): OrtTensor {
    const old = this.#states.find(name);
    const fits = old && alike(old, { dtype, shape }) && !read.has(old);
    return fits ? old : this.#memory.empty(dtype, shape);
  }

  /** Make a tensor the state of a name. Small ones are copied to where the state is, so that captured programs find it there. */
  #settle(name: string, tensor: OrtTensor): void {
    const old = this.#states.find(name);
    const stays = old && old !== tensor && !this.#memory.shared && bytesOf(tensor) <= SMALL && alike(old, tensor);
    if (!stays) {
      this.#states.keep(name, tensor);
      return;
    }
    this.#copiers.onDevice(tensor, old);
    this.#memory.free(tensor);
  }

  /** A tensor in host memory as an answer, whose array is nobody else's. */
  #taken(tensor: OrtTensor): Tensor {
    this.#memory.free(tensor, false);
    return { dtype: tensor.dtype, shape: tensor.shape, data: tensor.data! };
  }

  write(name: string, value: Tensor): void {
    if (this.#memory.shared) {
      this.#states.keep(name, this.#memory.over(value));
      return;
    }
    const place = this.#placeFor(name, value.dtype, value.shape, new Set());
    this.#copiers.toDevice(value, place);
    this.#states.keep(name, place);
  }

  read(name: string): Tensor {
    const state = this.#states.at(name);
    if (!state.data) return this.#copiers.toHost(state);
    return { dtype: state.dtype, shape: state.shape, data: state.data.slice() };
  }

  states(): string[] {
    return this.#states.names();
  }

  forget(names: readonly string[]): void {
    this.#states.forget(names);
  }

  /**
   * Release a program. One whose own memory is lent to states stays with them, until close; and so does one whose launches were
   * kept, since ONNX Runtime ends the process where states that it wrote are freed after it.
   */
  release(id: number): void {
    const program = this.#programs.get(id);
    if (!program || program.lends || program.captured) return;
    this.#programs.delete(id);
    program.session.release();
  }

  async close(): Promise<void> {
    await this.loops.close();
    this.forget(this.states());
    for (const { session, captured } of this.#programs.values()) {
      captured?.close();
      session.release();
    }
    this.#programs.clear();
    this.#copiers.close();
    this.#memory.close();
    this.#base?.release();
  }
}

/** Bytes of a state that is copied sooner than it moves. */
const SMALL = 2 ** 12;

type Kind = Pick<OrtTensor, "dtype" | "shape">;

const bytesOf = ({ dtype, shape }: Kind): number => ELEMENT_BYTES[dtype] * shape.reduce((a, b) => a * b, 1);

const alike = (a: Kind, b: Kind): boolean => a.dtype === b.dtype && String(a.shape) === String(b.shape);

/** An output's shape, where it follows from what the inputs are. */
function resolved({ shape }: OnnxValueInfo, sizes: ReadonlyMap<string, number>): number[] | undefined {
  const known = shape.map((dim) => (typeof dim === "number" ? dim : sizes.get(dim)));
  return known.every((dim) => dim !== undefined) ? (known as number[]) : undefined;
}

const CURES = {
  cpu: "",
  webgpu: "Expected a Vulkan, Metal or Direct3D 12 driver; on Linux libvulkan.so.1 and a driver (see VK_DRIVER_FILES).",
  cuda: "Expected ONNX Runtime's CUDA provider, an NVIDIA driver, and CUDA (the 12 or 13 that the provider is built for) with cuDNN 9; README.md, section NVIDIA, says how to install it.",
};
