/**
 * @file The owner of sessions and states. Runs in the worker thread, because a run blocks its thread.
 *
 * A state is written over in place where the program that gives it does not read it; otherwise what is given takes its place
 * after the run. So addresses last as long as shapes do, and nothing is copied.
 */

import { DistillError, Stopped } from "../core/errors.ts";
import { Captured } from "./captured.ts";
import { Copiers } from "./copiers.ts";
import { missingLibrary, whyNoCuda } from "./cuda.ts";
import { freeMemory } from "./free-memory.ts";
import { explained, type Place } from "./limits.ts";
import { squareModel } from "./models.ts";
import { OrtEnvironment } from "./ort/environment.ts";
import { OrtMemory } from "./ort/memory.ts";
import type { OrtSession } from "./ort/session.ts";
import type { Bindings, HostOptions, Requests } from "./protocol.ts";
import { type Loaded, Runs } from "./runs.ts";
import { StateLoops } from "./state-loops.ts";
import { States } from "./states.ts";
import type { Tensor } from "./tensor.ts";

/** What a device calls its memory. */
const MEMORY = { webgpu: "WebGPU_Buffer", cuda: "Cuda" };

export class Host {
  readonly #options: HostOptions;
  readonly #environment: OrtEnvironment;
  readonly #programs = new Map<number, Loaded>();
  readonly #memory: OrtMemory;
  readonly #states: States;
  readonly #copiers: Copiers;
  readonly #runs: Runs;
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
    this.#runs = new Runs(this.#memory, this.#states, this.#copiers, this.stop);
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
    } catch (thrown) {
      const error = explained(thrown as Error, placeOf(options));
      if (error instanceof DistillError) throw error;
      const said = error.message.replaceAll(/\s+/g, " ");
      const missing = missingLibrary(said);
      const reason = missing ?? said.replace(/^\S+:\d+ .* was false\. /, "").slice(0, 300); // ONNX Runtime's own place and condition
      throw new DistillError(
        `Device "${options.provider}" cannot be used on this machine: ${reason.replace(/[.\s]*$/, ".")}${missing ? "" : ` ${CURES[options.provider]}`}`,
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

  compile({ bytes, ...program }: Requests["compile"]["request"]): number {
    const { threads } = program;
    const fixed = program.outputs.every(({ shape }) => shape.every((dim) => typeof dim === "number"));
    const wants = (program.capture ?? false) && fixed && this.#options.provider !== "cpu";
    const opened = wants ? this.#capturing(bytes) : undefined;
    const session = opened ?? this.#environment.open(bytes, { threads });
    const captured = opened && new Captured(this.#environment, this.#memory, this.#copiers, opened);
    const id = this.#next++;
    this.#programs.set(id, { session, captured, ...program });
    return id;
  }

  /** A session whose launches the device repeats; undefined where it cannot, and the program runs as any other. */
  #capturing(bytes: Uint8Array): OrtSession | undefined {
    try {
      return this.#environment.open(bytes, { capture: true });
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
        ? this.#runs.repeat(program, program.captured, feeds, bindings)
        : this.#runs.run(program, feeds, bindings);
    } catch (error) {
      if (/terminate flag/.test((error as Error).message)) throw new Stopped();
      throw error;
    }
  }

  write(name: string, value: Tensor): void {
    if (this.#memory.shared) {
      this.#states.keep(name, this.#memory.over(value));
      return;
    }
    const place = this.#states.placeFor(name, value);
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

/** Where the programs of a host run. */
export const placeOf = (options: HostOptions): Place => ({
  device: options.provider,
  free: () => freeMemory(options),
});

const CURES = {
  cpu: "",
  webgpu: "Expected a Vulkan, Metal or Direct3D 12 driver; on Linux libvulkan.so.1 and a driver (see VK_DRIVER_FILES).",
  cuda: "Expected ONNX Runtime's CUDA provider, an NVIDIA driver, and CUDA (the 12 or 13 that the provider is built for) with cuDNN 9; README.md, section NVIDIA, says how to install it.",
};
