/** @file Loops over states in host memory, by the states' names. */

import type { Loop } from "../compiler/loop.ts";
import { type LoopItem, LoopThreads } from "./loops.ts";
import type { LoopRun } from "./protocol.ts";

/** The owner of the states. */
export type StateMemory = {
  /** Where the elements of a state are, of float32 in host memory, and how many; or an error. */
  elements(name: string): { address: bigint; length: number };
};

export class StateLoops {
  readonly #threads: LoopThreads;
  readonly #memory: StateMemory;

  constructor(threads: number, memory: StateMemory) {
    this.#threads = new LoopThreads(threads);
    this.#memory = memory;
  }

  compile(loop: Loop): number {
    return this.#threads.compile(loop);
  }

  /** Run a loop for several sets of states, no state in two of them. Returns the sum over all their elements. */
  async run(id: number, runs: readonly LoopRun[]): Promise<number> {
    const loop = this.#threads.loop(id);
    const named = runs.map((run) => operandsOf(loop, run));
    const all = named.flatMap(({ states }) => states);
    if (new Set(all).size < all.length) throw new Error("A state takes part in two runs of a loop.");
    const items = named.map(({ states, ...operands }): LoopItem => {
      const arrays = states.map((name) => this.#memory.elements(name));
      const { length } = arrays[0]!;
      if (arrays.some((other) => other.length !== length))
        throw new Error("The states of an elementwise program differ in size.");
      return { addresses: arrays.map(({ address }) => address), length, ...operands };
    });
    return (await this.#threads.run(id, items)).reduce((a, b) => a + b, 0);
  }

  close(): Promise<void> {
    return this.#threads.close();
  }
}

/** The states of a run, each once; which of them are inputs and results; its scalars. */
function operandsOf({ arrays, scalars, results }: Loop, { reads, writes, scalars: given }: LoopRun) {
  const inputs = arrays.map((name) => reads?.[name] ?? name);
  const outputs = results.map((name) => writes?.[name] ?? name);
  const states = [...new Set([...inputs, ...outputs])];
  const place = (name: string) => states.indexOf(name);
  const numbers = scalars.map((name) => {
    const value = given?.[name];
    if (value === undefined) throw new Error(`A loop needs the scalar "${name}".`);
    return value;
  });
  return { states, inputs: inputs.map(place), outputs: outputs.map(place), scalars: numbers };
}
