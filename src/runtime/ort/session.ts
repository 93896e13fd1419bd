/** @file A program that ONNX Runtime has opened, and what is bound to its inputs and outputs. */

import { DistillError } from "../../core/errors.ts";
import { ELEMENT_TYPES, type ElementType, type OnnxValueInfo } from "../../formats/onnx-types.ts";
import type { OrtLibrary } from "./library.ts";
import type { Holder, OrtTensor } from "./memory.ts";

/** The element type of each of ONNX's numbers. */
const ELEMENT_NAMES = new Map(Object.entries(ELEMENT_TYPES).map(([name, number]) => [number, name as ElementType]));

export class OrtSession implements Holder {
  readonly #ort: OrtLibrary;
  readonly session: bigint;
  readonly #binding: bigint;
  readonly #inputs = new Map<string, OrtTensor>();
  readonly #outputs = new Map<string, OrtTensor | undefined>();
  /** The outputs of which each run makes a tensor, and in which memory. */
  readonly #made = new Map<string, bigint>();

  /** `model` is its bytes, or its file's path. The options are released. */
  constructor(ort: OrtLibrary, env: bigint, model: Uint8Array | string, options: bigint) {
    this.#ort = ort;
    try {
      this.session =
        typeof model === "string"
          ? ort.make("CreateSession", env, model, options)
          : ort.make("CreateSessionFromArray", env, model, model.byteLength, options);
    } finally {
      ort.call("ReleaseSessionOptions", options);
    }
    this.#binding = ort.make("CreateIoBinding", this.session);
  }

  /** Have the program read a tensor as an input of its own, from now on. */
  read(name: string, tensor: OrtTensor): void {
    if (this.#inputs.get(name) === tensor) return;
    this.#ort.call("BindInput", this.#binding, name, tensor.value);
    this.#inputs.set(name, tensor);
    tensor.holders?.add(this);
  }

  /** Have the program write an output into a tensor, from now on. */
  write(name: string, tensor: OrtTensor): void {
    if (this.#outputs.get(name) === tensor) return;
    this.#ort.call("BindOutput", this.#binding, name, tensor.value);
    this.#outputs.set(name, tensor);
    this.#made.delete(name);
    tensor.holders?.add(this);
  }

  /** Have each run make a tensor of an output, in this memory, until it is told otherwise. */
  make(name: string, memory: bigint): void {
    if (this.#made.get(name) === memory) return;
    this.#ort.call("BindOutputToDevice", this.#binding, name, memory);
    this.#outputs.set(name, undefined);
    this.#made.set(name, memory);
  }

  run(options: bigint): void {
    this.#ort.call("RunWithBinding", this.session, options, this.#binding);
  }

  /** What the last run made, by name, for whoever asks to release. */
  takeMade(): Map<string, bigint> {
    if (this.#made.size === 0) return new Map();
    const allocator = this.#ort.make("GetAllocatorWithDefaultOptions");
    const count = new BigUint64Array(new ArrayBuffer(8));
    const out = new BigUint64Array(new ArrayBuffer(8));
    this.#ort.call("GetBoundOutputValues", this.#binding, allocator, out, count);
    const values = this.#ort.pointersAt(out[0]!, Number(count[0]));
    this.#ort.call("AllocatorFree", allocator, out[0]!);
    const made = new Map<string, bigint>();
    for (const [i, name] of [...this.#outputs.keys()].entries())
      if (this.#made.has(name)) made.set(name, values[i]!);
      else this.#ort.call("ReleaseValue", values[i]!);
    // the binding would hold on to them, and write the next into them
    for (const [name, memory] of this.#made) this.#ort.call("BindOutputToDevice", this.#binding, name, memory);
    return made;
  }

  /** Forget what is bound beside a tensor, on its side, or all that is: it holds memory. */
  letGo(of?: OrtTensor): void {
    const [inputs, outputs] = [[...this.#inputs.values()], [...this.#outputs.values()]];
    if (!of || inputs.includes(of)) {
      this.#ort.call("ClearBoundInputs", this.#binding);
      this.#inputs.clear();
    }
    if (!of || outputs.includes(of)) {
      this.#ort.call("ClearBoundOutputs", this.#binding);
      this.#outputs.clear();
      this.#made.clear();
    }
    const still = new Set([...this.#inputs.values(), ...this.#outputs.values()]);
    for (const tensor of [...inputs, ...outputs]) if (tensor && !still.has(tensor)) tensor.holders?.delete(this);
  }

  release(): void {
    this.letGo();
    this.#ort.call("ReleaseIoBinding", this.#binding);
    this.#ort.call("ReleaseSession", this.session);
  }

  /** What the program takes and gives; dimensions that are not fixed are names. */
  describe(): { inputs: OnnxValueInfo[]; outputs: OnnxValueInfo[] } {
    return { inputs: this.#infos("Input"), outputs: this.#infos("Output") };
  }

  #infos(kind: "Input" | "Output"): OnnxValueInfo[] {
    const ort = this.#ort;
    const allocator = ort.make("GetAllocatorWithDefaultOptions");
    return Array.from({ length: Number(ort.make(`SessionGet${kind}Count`, this.session)) }, (_, i) => {
      const text = ort.make(`SessionGet${kind}Name`, this.session, i, allocator);
      const name = ort.textAt(text);
      ort.call("AllocatorFree", allocator, text);
      const type = ort.make(`SessionGet${kind}TypeInfo`, this.session, i);
      try {
        const info = ort.make("CastTypeInfoToTensorInfo", type);
        if (info === 0n) throw new DistillError(`The model's "${name}" is not a tensor.`);
        const number = new Int32Array(new ArrayBuffer(4));
        ort.call("GetTensorElementType", info, number);
        const elemType = ELEMENT_NAMES.get(number[0] as never);
        if (!elemType)
          throw new DistillError(
            `The model's "${name}" is of ONNX's element type ${number[0]}, which is not supported.`,
          );
        return { name, elemType, shape: this.#dimensions(info) };
      } finally {
        ort.call("ReleaseTypeInfo", type);
      }
    });
  }

  #dimensions(info: bigint): (number | string)[] {
    const ort = this.#ort;
    const rank = Number(ort.make("GetDimensionsCount", info));
    if (rank === 0) return [];
    const dims = new BigInt64Array(new ArrayBuffer(8 * rank));
    const names = new BigUint64Array(new ArrayBuffer(8 * rank));
    ort.call("GetDimensions", info, dims, rank);
    ort.call("GetSymbolicDimensions", info, names, rank);
    return Array.from(dims, (dim, i) => (dim >= 0n ? Number(dim) : names[i] ? ort.textAt(names[i]!) : ""));
  }
}
