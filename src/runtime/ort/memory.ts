/** @file Tensors of ONNX Runtime: over arrays of ours in host memory, or in memory of a device. */

import { MessageChannel } from "node:worker_threads";
import { ELEMENT_TYPES } from "../../formats/onnx-types.ts";
import type { DType } from "../../graph/value.ts";
import { emptyData, type Tensor, type TensorData } from "../tensor.ts";
import type { OrtLibrary } from "./library.ts";

/** What holds on to a tensor beside whoever made it. */
export type Holder = { letGo(of: OrtTensor): void };

/** A tensor as ONNX Runtime has it. */
export type OrtTensor = {
  readonly value: bigint;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Its elements in host memory. Where that is ours ONNX Runtime knows its address and nothing of its life. */
  readonly data?: TensorData;
  /** Whether the memory is ONNX Runtime's, and `data` only looks at it. */
  readonly borrowed?: true;
  /** The bindings that it is in, where it may be freed before they have another. */
  readonly holders?: Set<Holder>;
};

const [ARENA, DEFAULT_MEMORY] = [1, 0];

/** Makes and frees tensors of one provider. */
export class OrtMemory {
  readonly #ort: OrtLibrary;
  /** Host memory, as ONNX Runtime names it. */
  readonly host: bigint;
  /** Where states are: host memory, or the device's. */
  readonly place: bigint;
  readonly #allocator: bigint | undefined;

  /** `device` is the device's name for its memory and a session that lives as long as all tensors in it. */
  constructor(ort: OrtLibrary, device?: { memory: string; id: number; session: bigint }) {
    this.#ort = ort;
    this.host = ort.make("CreateCpuMemoryInfo", ARENA, DEFAULT_MEMORY);
    this.place = device ? ort.make("CreateMemoryInfo", device.memory, 0, device.id, DEFAULT_MEMORY) : this.host;
    this.#allocator = device && ort.make("CreateAllocator", device.session, this.place);
  }

  /** Whether tensors that programs keep are in host memory. */
  get shared(): boolean {
    return this.#allocator === undefined;
  }

  /** A tensor over an array, as a state. */
  over(tensor: Tensor): OrtTensor {
    return { ...this.lent(tensor), holders: new Set() };
  }

  /** A tensor over an array for one run: each run binds another in its place. */
  lent({ dtype, shape, data }: Tensor): OrtTensor {
    const { buffer } = data; // a small array lies inside its object, which moves, until its buffer is asked for
    const value = this.#ort.make(
      "CreateTensorWithDataAsOrtValue",
      this.host,
      new Uint8Array(buffer, data.byteOffset, data.byteLength),
      data.byteLength,
      sizes(shape),
      shape.length,
      ELEMENT_TYPES[dtype],
    );
    return { value, dtype, shape, data };
  }

  /** A tensor of which nothing is known yet, where states are. */
  empty(dtype: DType, shape: readonly number[]): OrtTensor {
    if (this.#allocator === undefined) return this.over({ dtype, shape, data: emptyData(dtype, shape) });
    const value = this.#ort.make(
      "CreateTensorAsOrtValue",
      this.#allocator,
      sizes(shape),
      shape.length,
      ELEMENT_TYPES[dtype],
    );
    return { value, dtype, shape, holders: new Set() };
  }

  /** What a run made in memory of the program's own, which the program uses again once this is freed. */
  borrowed(value: bigint, dtype: DType): OrtTensor {
    const shape = this.#shapeOf(value);
    const look = (): TensorData => {
      const empty = emptyData(dtype, [0]);
      const bytes = empty.BYTES_PER_ELEMENT * shape.reduce((a, b) => a * b, 1);
      const memory = this.#ort.memoryAt(this.#ort.make("GetTensorMutableData", value), bytes);
      return new (empty.constructor as new (buffer: ArrayBuffer) => TensorData)(memory);
    };
    return {
      value,
      dtype,
      shape,
      borrowed: true,
      holders: new Set(),
      // only when somebody looks: the collector takes a look for so much new memory
      get data() {
        return look();
      },
    };
  }

  /** Where the elements of a tensor in host memory are. */
  addressOf({ value }: OrtTensor): bigint {
    return this.#ort.make("GetTensorMutableData", value);
  }

  /** What a run gave of a size that was not known before. In host memory it is copied into an array. */
  given(value: bigint, dtype: DType, toHost: boolean): OrtTensor {
    const shape = this.#shapeOf(value);
    if (!toHost) return { value, dtype, shape, holders: new Set() };
    const data = emptyData(dtype, shape);
    if (data.byteLength > 0) {
      const memory = this.#ort.memoryAt(this.#ort.make("GetTensorMutableData", value), data.byteLength);
      new Uint8Array(data.buffer).set(new Uint8Array(memory));
    }
    this.#ort.call("ReleaseValue", value);
    return this.over({ dtype, shape, data });
  }

  /** Free a tensor; the memory of an array, too, if it is ours alone: garbage of this size is collected late. */
  free(tensor: OrtTensor, ours = !tensor.borrowed): void {
    for (const holder of tensor.holders ?? []) holder.letGo(tensor);
    this.#ort.call("ReleaseValue", tensor.value);
    if (ours && tensor.data) nowhere.postMessage(null, [tensor.data.buffer as ArrayBuffer]);
  }

  close(): void {
    if (this.#allocator !== undefined) this.#ort.call("ReleaseAllocator", this.#allocator);
  }

  #shapeOf(value: bigint): number[] {
    const info = this.#ort.make("GetTensorTypeAndShape", value);
    const rank = Number(this.#ort.make("GetDimensionsCount", info));
    const dims = new BigInt64Array(new ArrayBuffer(8 * rank));
    this.#ort.call("GetDimensions", info, dims, rank);
    this.#ort.call("ReleaseTensorTypeAndShapeInfo", info);
    return Array.from(dims, Number);
  }
}

function sizes(shape: readonly number[]): BigInt64Array {
  const dims = new BigInt64Array(new ArrayBuffer(8 * Math.max(1, shape.length)));
  for (const [i, dim] of shape.entries()) dims[i] = BigInt(dim);
  return dims;
}

/** A port that nobody listens to: memory that is transferred to it is freed. */
const nowhere = new MessageChannel().port1;
nowhere.close();
