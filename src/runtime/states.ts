/** @file The tensors that programs keep, by name, and whose memory is freed with them. */

import { DistillError } from "../core/errors.ts";
import { elements } from "../graph/shape.ts";
import type { OrtMemory, OrtTensor } from "./ort/memory.ts";
import type { Tensor, TensorData } from "./tensor.ts";

export class States {
  readonly #memory: OrtMemory;
  readonly #tensors = new Map<string, OrtTensor>();

  constructor(memory: OrtMemory) {
    this.#memory = memory;
  }

  names(): string[] {
    return [...this.#tensors.keys()];
  }

  find(name: string): OrtTensor | undefined {
    return this.#tensors.get(name);
  }

  at(name: string): OrtTensor {
    const state = this.#tensors.get(name);
    if (!state)
      throw new DistillError(`The program needs "${name}", which is neither fed nor among the device's states.`);
    return state;
  }

  keep(name: string, value: OrtTensor): void {
    const old = this.#tensors.get(name);
    this.#tensors.set(name, value);
    if (old && old !== value) this.#memory.free(old);
  }

  /** Where a run writes a state: in place, unless it reads what is there or that is of another type or shape. */
  placeFor(name: string, kind: Kind, read: ReadonlySet<OrtTensor> = new Set()): OrtTensor {
    const old = this.#tensors.get(name);
    return old && alike(old, kind) && !read.has(old) ? old : this.#memory.empty(kind.dtype, kind.shape);
  }

  forget(names: readonly string[]): void {
    for (const name of names) {
      this.#memory.free(this.at(name));
      this.#tensors.delete(name);
    }
  }

  /** A state that is at least `length` long along its first axis, and twice that where it had to be moved. */
  roomy(name: string, length: number): OrtTensor {
    const state = this.at(name);
    const [capacity, ...rest] = state.shape as [number, ...number[]];
    if (capacity >= length) return state;
    const moved = this.#memory.empty(state.dtype, [2 * length, ...rest]);
    (moved.data as Float32Array).set(state.data as Float32Array);
    this.keep(name, moved);
    return moved;
  }

  /** Where the elements are that a loop reads and writes, in whichever thread. */
  elements(name: string): { address: bigint; length: number } {
    const state = this.at(name);
    const { dtype, shape } = state;
    const { shared } = this.#memory;
    if (dtype !== "float32" || !shared)
      throw new Error(
        `A loop takes float32 states in host memory; "${name}" is ${dtype} in ${shared ? "it" : "the device's"}.`,
      );
    return { address: this.#memory.addressOf(state), length: elements(shape) };
  }
}

type Kind = Pick<OrtTensor, "dtype" | "shape">;

/** Whether tensors are of one type and shape. */
export const alike = (a: Kind, b: Kind): boolean => a.dtype === b.dtype && String(a.shape) === String(b.shape);

/** `from` to `to` of a tensor in host memory along its first axis, perhaps in another shape. */
export function part({ dtype, shape, data }: OrtTensor, from: number, to: number, as?: readonly number[]): Tensor {
  const [, ...rest] = shape;
  const row = rest.reduce((a, b) => a * b, 1);
  const elements = (data as Float32Array).subarray(from * row, to * row) as TensorData;
  return { dtype, shape: as ?? [to - from, ...rest], data: elements };
}
