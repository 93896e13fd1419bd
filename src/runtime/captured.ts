/**
 * @file A program whose launches a device keeps and repeats: what it reads and gives must stay at one address, so what is fed
 * and answered has tensors of its own on the device.
 *
 * The first run of the same tensors computes more than once, which is why nothing that a captured program writes may be among
 * what it reads.
 */

import type { DType } from "../graph/value.ts";
import type { Copiers } from "./copiers.ts";
import type { OrtEnvironment } from "./ort/environment.ts";
import type { OrtMemory, OrtTensor } from "./ort/memory.ts";
import type { OrtSession } from "./ort/session.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Sets of tensors whose launches are kept; of others runs are made one by one. WebGPU keeps the memory of all that a run
 * computes with its launches.
 */
export const KEPT_SETS = { cpu: 0, webgpu: 2, cuda: 8 };

/** The number of a graph that is not to be kept. */
const NOT_KEPT = "-1";

export class Captured {
  readonly #environment: OrtEnvironment;
  readonly #memory: OrtMemory;
  readonly #copiers: Copiers;
  readonly #session: OrtSession;
  /** Tensors of the program's own, by what they are for and their shape. */
  readonly #own = new Map<string, OrtTensor>();
  readonly #given = new Map<string, OrtTensor>();
  readonly #bound = new Map<string, OrtTensor>();
  readonly #graphs: { bound: Map<string, OrtTensor>; options: bigint }[] = [];
  #plain: bigint | undefined;

  constructor(environment: OrtEnvironment, memory: OrtMemory, copiers: Copiers, session: OrtSession) {
    this.#environment = environment;
    this.#memory = memory;
    this.#copiers = copiers;
    this.#session = session;
  }

  /** Feed an input: into a tensor of the program's own. */
  feed(name: string, value: Tensor): void {
    const own = this.#ownTensor(name, value.dtype, value.shape);
    this.#copiers.toDevice(value, own);
    this.read(name, own);
  }

  read(name: string, tensor: OrtTensor): void {
    this.#session.read(name, tensor);
    this.#bound.set(`in ${name}`, tensor);
  }

  write(name: string, tensor: OrtTensor): void {
    this.#session.write(name, tensor);
    this.#bound.set(`out ${name}`, tensor);
  }

  /** Have an output written to a tensor of the program's own, of which `answer` gives a copy. */
  give(name: string, dtype: DType, shape: readonly number[]): void {
    const own = this.#ownTensor(name, dtype, shape);
    this.#given.set(name, own);
    this.write(name, own);
  }

  answer(name: string): Tensor {
    return this.#copiers.toHost(this.#given.get(name)!);
  }

  run(): void {
    this.#session.run(this.#options());
  }

  /** The options under which the launches of exactly these tensors are kept. */
  #options(): bigint {
    const bound = this.#bound;
    const known = this.#graphs.find((graph) => [...bound].every(([name, tensor]) => graph.bound.get(name) === tensor));
    if (known) return known.options;
    if (this.#graphs.length >= KEPT_SETS[this.#environment.provider]) {
      this.#plain ??= this.#runOptions(NOT_KEPT);
      return this.#plain;
    }
    const options = this.#runOptions(String(this.#graphs.length + 1));
    this.#graphs.push({ bound: new Map(bound), options });
    return options;
  }

  #runOptions(graph: string): bigint {
    const { ort } = this.#environment;
    const options = ort.make("CreateRunOptions");
    ort.call("AddRunConfigEntry", options, "gpu_graph_id", graph);
    return options;
  }

  #ownTensor(name: string, dtype: DType, shape: readonly number[]): OrtTensor {
    const key = `${name} ${dtype} ${shape}`;
    const own = this.#own.get(key) ?? this.#memory.empty(dtype, shape);
    this.#own.set(key, own);
    return own;
  }

  close(): void {
    const { ort } = this.#environment;
    for (const { options } of this.#graphs) ort.call("ReleaseRunOptions", options);
    if (this.#plain !== undefined) ort.call("ReleaseRunOptions", this.#plain);
    for (const tensor of this.#own.values()) this.#memory.free(tensor);
  }
}
