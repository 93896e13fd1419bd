/** @file The tensors that programs keep, by name, and whose memory is freed with them. */

import { MessageChannel } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import { DistillError } from "../core/errors.ts";
import type { TensorData } from "./tensor.ts";

export class States {
  readonly #tensors = new Map<string, ort.Tensor>();
  /** Those that programs gave, whose memory nothing else refers to. */
  readonly #given = new WeakSet<ort.Tensor>();
  readonly #isFrozen: (state: ort.Tensor) => boolean;

  /** `isFrozen` says whether a program reads a tensor's memory without a reference of its own. */
  constructor(isFrozen: (state: ort.Tensor) => boolean) {
    this.#isFrozen = isFrozen;
  }

  names(): string[] {
    return [...this.#tensors.keys()];
  }

  at(name: string): ort.Tensor {
    const state = this.#tensors.get(name);
    if (!state)
      throw new DistillError(`The program needs "${name}", which is neither fed nor among the device's states.`);
    return state;
  }

  /** Keep a tensor under a name; `given` where a program gave it, and nothing else refers to its memory. */
  keep(name: string, value: ort.Tensor, given = false): void {
    const old = this.#tensors.get(name);
    this.#tensors.set(name, value);
    if (old && old !== value) this.#free(old);
    if (given) this.#given.add(value);
  }

  forget(names: readonly string[]): void {
    for (const name of names) {
      this.#free(this.at(name));
      this.#tensors.delete(name);
    }
  }

  /** A state that is at least `length` long along its first axis, and twice that where it had to be moved. */
  roomy(name: string, length: number): ort.Tensor {
    const state = this.at(name);
    const [capacity, ...rest] = state.dims as [number, ...number[]];
    if (capacity >= length) return state;
    const data = state.data as Float32Array;
    const larger = new (data.constructor as Float32ArrayConstructor)(2 * length * rest.reduce((a, b) => a * b, 1));
    larger.set(data);
    const moved = new ort.Tensor(state.type as "float32", larger, [2 * length, ...rest]);
    this.keep(name, moved, true);
    return moved;
  }

  /** What a loop may take to another thread. */
  elements(name: string): Float32Array<ArrayBuffer> {
    const state = this.at(name);
    if (state.location !== "cpu" || !(state.data instanceof Float32Array))
      throw new Error(`A loop takes float32 states in host memory; "${name}" is ${state.type} in ${state.location}.`);
    if (this.#isFrozen(state)) throw new Error(`"${name}" is frozen: a program reads its memory.`);
    return state.data as Float32Array<ArrayBuffer>;
  }

  /** A state whose memory went to another thread and came back is another object. */
  moved(name: string, data: Float32Array<ArrayBuffer>): void {
    const old = this.at(name);
    if (old.data === data) return;
    const tensor = new ort.Tensor("float32", data, old.dims);
    if (this.#given.delete(old)) this.#given.add(tensor);
    this.#tensors.set(name, tensor);
  }

  /** Free a state on the device, and at once what a program gave: garbage of this size is collected late. */
  #free(state: ort.Tensor): void {
    if (state.location === "gpu-buffer") state.dispose();
    else if (this.#given.delete(state) && !this.#isFrozen(state))
      nowhere.postMessage(null, [(state.data as TensorData).buffer as ArrayBuffer]);
  }
}

/** `from` to `to` of a state along its first axis, perhaps in another shape. */
export function part(
  { type, dims, data }: ort.Tensor,
  from: number,
  to: number,
  shape?: readonly number[],
): ort.Tensor {
  const [, ...rest] = dims;
  const row = rest.reduce((a, b) => a * b, 1);
  const elements = (data as Float32Array).subarray(from * row, to * row);
  return new ort.Tensor(type as "float32", elements, shape ?? [to - from, ...rest]);
}

/** A port that nobody listens to: memory that is transferred to it is freed. */
const nowhere = new MessageChannel().port1;
nowhere.close();
