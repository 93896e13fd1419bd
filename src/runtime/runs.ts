/** @file Runs of programs: what is bound to their inputs and outputs, and where what they give goes. */

import { ELEMENT_BYTES, type OnnxValueInfo } from "../formats/onnx-types.ts";
import type { DType } from "../graph/value.ts";
import type { Captured } from "./captured.ts";
import type { Copiers } from "./copiers.ts";
import type { OrtMemory, OrtTensor } from "./ort/memory.ts";
import type { OrtSession } from "./ort/session.ts";
import type { Bindings, CompileOptions } from "./protocol.ts";
import { alike, part, type States } from "./states.ts";
import { emptyData, type Tensor } from "./tensor.ts";

/** A program that is open. */
export type Loaded = {
  session: OrtSession;
  inputs: readonly OnnxValueInfo[];
  outputs: readonly OnnxValueInfo[];
  captured?: Captured | undefined;
  /** Whether the session made tensors that are states: their memory is its own. */
  lends?: boolean;
} & CompileOptions;

/** Bytes of a state that is copied sooner than it moves. */
const SMALL = 2 ** 12;

export class Runs {
  readonly #memory: OrtMemory;
  readonly #states: States;
  readonly #copiers: Copiers;
  /** What ONNX Runtime is given for each run. */
  readonly #options: bigint;

  constructor(memory: OrtMemory, states: States, copiers: Copiers, options: bigint) {
    this.#memory = memory;
    this.#states = states;
    this.#copiers = copiers;
    this.#options = options;
  }

  /** Run a program once. Returns the outputs that are not kept. */
  run(program: Loaded, feeds: Record<string, Tensor>, bindings: Bindings): Record<string, Tensor> {
    const { session, outputs, keep } = program;
    const passing = this.#memory.shared ? (program.passing ?? []) : [];
    const targetOf = (name: string) => bindings.writes?.[name] ?? name;
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
      else if (!shape || passing.includes(name)) session.make(name, isKept ? this.#memory.place : this.#memory.host);
      else if (isKept) {
        into =
          this.#overwritten(program, name, bindings) ??
          this.#states.placeFor(targetOf(name), { dtype, shape }, new Set([...read, ...kept.values()]));
        kept.set(name, into);
      } else {
        into = this.#memory.lent({ dtype, shape, data: emptyData(dtype, shape) });
        answers.set(name, into);
      }
      if (into) session.write(name, into);
      if (grown) temporary.push(into!);
    }
    try {
      session.run(this.#options);
    } catch (error) {
      for (const [name, tensor] of kept) if (this.#states.find(targetOf(name)) !== tensor) this.#memory.free(tensor);
      for (const tensor of answers.values()) this.#memory.free(tensor, false);
      throw error;
    } finally {
      for (const tensor of temporary) this.#memory.free(tensor, false);
    }
    for (const [name, value] of session.takeMade()) {
      const info = outputs.find((info) => info.name === name)!;
      const isKept = keep.includes(name);
      const toHost = !isKept || this.#memory.shared;
      const made = passing.includes(name)
        ? this.#memory.borrowed(value, info.elemType as DType)
        : this.#memory.given(value, info.elemType as DType, toHost);
      if (isKept) {
        kept.set(name, made);
        program.lends ||= !toHost;
      } else answers.set(name, made);
    }
    for (const [name, tensor] of kept) this.#settle(targetOf(name), tensor);
    return Object.fromEntries([...answers].map(([name, tensor]) => [name, this.#taken(tensor)]));
  }

  /** The same of a program whose launches are repeated. */
  repeat(
    program: Loaded,
    captured: Captured,
    feeds: Record<string, Tensor>,
    bindings: Bindings,
  ): Record<string, Tensor> {
    const { inputs, outputs, keep } = program;
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
      const into =
        this.#overwritten(program, name, bindings) ??
        this.#states.placeFor(target, { dtype: elemType as DType, shape: shape as number[] }, read);
      kept.set(target, into);
      captured.write(name, into);
    }
    captured.run();
    for (const [target, tensor] of kept) this.#states.keep(target, tensor);
    return Object.fromEntries(answered.map((name) => [name, captured.answer(name)]));
  }

  /** The state that a run writes an output over. */
  #overwritten({ over }: Loaded, output: string, { reads }: Bindings): OrtTensor | undefined {
    const input = over?.[output];
    return input === undefined ? undefined : this.#states.at(reads?.[input] ?? input);
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
    if (!this.#memory.shared) throw new Error("States in a device's memory do not grow in place.");
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
}

const bytesOf = ({ dtype, shape }: OrtTensor): number => ELEMENT_BYTES[dtype] * shape.reduce((a, b) => a * b, 1);

/** An output's shape, where it follows from what the inputs are. */
function resolved({ shape }: OnnxValueInfo, sizes: ReadonlyMap<string, number>): number[] | undefined {
  const known = shape.map((dim) => (typeof dim === "number" ? dim : sizes.get(dim)));
  return known.every((dim) => dim !== undefined) ? (known as number[]) : undefined;
}
