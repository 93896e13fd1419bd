/** @file Copies between host memory and a device's, by programs that do nothing else. */

import type { DType } from "../graph/value.ts";
import { copyModel } from "./models.ts";
import type { OrtEnvironment } from "./ort/environment.ts";
import type { OrtMemory, OrtTensor } from "./ort/memory.ts";
import type { OrtSession } from "./ort/session.ts";
import { emptyData, type Tensor } from "./tensor.ts";

export class Copiers {
  readonly #environment: OrtEnvironment;
  readonly #memory: OrtMemory;
  readonly #sessions = new Map<string, OrtSession>();
  /** Its own, so that a copy is whole though runs are to stop. */
  readonly #runOptions: bigint;

  constructor(environment: OrtEnvironment, memory: OrtMemory) {
    this.#environment = environment;
    this.#memory = memory;
    this.#runOptions = environment.ort.make("CreateRunOptions");
  }

  /** Copy a tensor in host memory into one of the same type and shape. */
  toDevice(from: Tensor, to: OrtTensor): void {
    const source = this.#memory.lent(from);
    try {
      this.#copy(source, to);
    } finally {
      this.#memory.free(source, false);
    }
  }

  /** A copy in host memory. */
  toHost(from: OrtTensor): Tensor {
    const { dtype, shape } = from;
    const answer: Tensor = { dtype, shape, data: emptyData(dtype, shape) };
    const target = this.#memory.lent(answer);
    try {
      this.#copy(from, target);
    } finally {
      this.#memory.free(target, false);
    }
    return answer;
  }

  /** Copy a tensor on the device into one of the same type and shape. */
  onDevice(from: OrtTensor, to: OrtTensor): void {
    this.#copy(from, to);
  }

  #copy(from: OrtTensor, to: OrtTensor): void {
    const session = this.#session(from.dtype, from.shape.length);
    session.read("x", from);
    session.write("y", to);
    try {
      session.run(this.#runOptions);
    } finally {
      session.letGo(); // of tensors that others free
    }
  }

  #session(dtype: DType, rank: number): OrtSession {
    const key = `${dtype} ${rank}`;
    const known = this.#sessions.get(key) ?? this.#environment.open(copyModel(dtype, rank), { int64: true });
    this.#sessions.set(key, known);
    return known;
  }

  close(): void {
    for (const session of this.#sessions.values()) session.release();
    this.#sessions.clear();
    this.#environment.ort.call("ReleaseRunOptions", this.#runOptions);
  }
}
