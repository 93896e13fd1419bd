/** @file Loops over tensors in host memory, the tensors spread over threads: each thread looks at them where they are. */

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Loop } from "../compiler/loop.ts";
import { PAGE } from "../compiler/page.ts";
import { DistillError } from "../core/errors.ts";
import { moduleUrl } from "../core/modules.ts";
import { OrtLibrary } from "./ort/library.ts";

/** What a loop computes once: which of the arrays, all of one length, are its inputs and which its results, in its order. */
type Operands = {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly scalars: readonly number[];
};

/** The same where the arrays are at these addresses, each `length` elements of float32 that live until the loop has ended. */
export type LoopItem = Operands & { readonly addresses: readonly bigint[]; readonly length: number };

/** A loop that is ready to run in this thread. */
export class LoopInstance {
  readonly #run: (bytes: number, ...scalars: number[]) => number;
  readonly #inputs: Float32Array[];
  readonly #results: Float32Array[];

  constructor({ code, arrays, results }: Loop) {
    const memory = new WebAssembly.Memory({ initial: arrays.length + results.length });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { host: { memory } });
    this.#run = exports.run!;
    const page = (_: string, i: number) => new Float32Array(memory.buffer, i * PAGE, PAGE / 4);
    this.#inputs = arrays.map(page);
    this.#results = results.map((name, i) => page(name, arrays.length + i));
  }

  /** Compute an item in place. Returns the sum over its elements. */
  runAt({ addresses, length, ...operands }: LoopItem): number {
    return this.run({ arrays: addresses.map((address) => elementsAt(address, length)), ...operands });
  }

  run({ arrays, inputs, outputs, scalars }: Operands & { readonly arrays: readonly Float32Array[] }): number {
    const { length } = arrays[0]!;
    let sum = 0;
    for (let start = 0; start < length; start += PAGE / 4) {
      const count = Math.min(PAGE / 4, length - start);
      inputs.forEach((k, i) => {
        const page = this.#inputs[i]!;
        page.set(arrays[k]!.subarray(start, start + count));
        if (count % 4 !== 0) page.fill(0, count, count + 4 - (count % 4));
      });
      sum += this.#run(4 * count, ...scalars);
      outputs.forEach((k, i) => {
        arrays[k]!.set(this.#results[i]!.subarray(0, count), start);
      });
    }
    return sum;
  }
}

/** What this thread has looked at, by address: the collector takes each new look for so much new memory. */
const known = new Map<bigint, Float32Array>();
const MOST_KNOWN = 2 ** 14;

function elementsAt(address: bigint, length: number): Float32Array {
  const old = known.get(address);
  if (old?.length === length) return old;
  if (known.size >= MOST_KNOWN) known.clear();
  const elements = new Float32Array(OrtLibrary.open().memoryAt(address, 4 * length));
  known.set(address, elements);
  return elements;
}

/** Fewer elements than this are computed sooner than another thread is asked. */
const FEW = 2 ** 17;

/** More threads than this are faster than memory. */
const MOST = 8;

export type LoopCall = { id: number; loop?: Loop; items: readonly LoopItem[] };
export type LoopAnswer = { sums: number[]; error?: string };

/** Threads that compute loops, the calling one among them. The others are started when there is enough for them to do. */
export class LoopThreads {
  readonly #threads: number;
  readonly #helpers: Helper[] = [];
  readonly #loops: { loop: Loop; instance: LoopInstance }[] = [];

  /** 0 threads is one a core. */
  constructor(threads: number) {
    this.#threads = Math.min(MOST, threads || availableParallelism());
  }

  compile(loop: Loop): number {
    return this.#loops.push({ loop, instance: new LoopInstance(loop) }) - 1;
  }

  /** How many threads were started. */
  get started(): number {
    return this.#helpers.length;
  }

  loop(id: number): Loop {
    return this.#loops[id]!.loop;
  }

  /** Compute items, no array in two of them. Returns the sum over each item's elements. One call at a time. */
  async run(id: number, items: readonly LoopItem[]): Promise<number[]> {
    const { loop, instance } = this.#loops[id]!;
    const [mine = [], ...theirs] = this.#shares(items);
    const sums = new Map<LoopItem, number>();
    const asked = theirs.map(async (share, i) => {
      if (!this.#helpers[i]?.alive) this.#helpers[i] = new Helper();
      const answered = await this.#helpers[i]!.run(id, loop, share);
      for (const [k, item] of share.entries()) sums.set(item, answered[k]!);
    });
    const own = (async () => {
      for (const item of mine) sums.set(item, instance.runAt(item));
    })();
    for (const result of await Promise.allSettled([own, ...asked]))
      if (result.status === "rejected") throw result.reason;
    return items.map((item) => sums.get(item)!);
  }

  /** Items for each thread, of about as many elements: the largest first, each to the thread that has the fewest. */
  #shares(items: readonly LoopItem[]): LoopItem[][] {
    const total = items.reduce((sum, { length }) => sum + length, 0);
    const count = Math.max(1, Math.min(this.#threads, Math.ceil(total / FEW), items.length));
    const shares = Array.from({ length: count }, () => ({ items: [] as LoopItem[], size: 0 }));
    for (const item of items.toSorted((a, b) => b.length - a.length)) {
      const least = shares.reduce((a, b) => (b.size < a.size ? b : a));
      least.items.push(item);
      least.size += item.length;
    }
    return shares.map(({ items }) => items);
  }

  async close(): Promise<void> {
    await Promise.all(this.#helpers.map((helper) => helper.close()));
  }
}

/** A thread that computes loops for another. */
class Helper {
  readonly #worker = new Worker(moduleUrl("runtime/loop-worker.js"));
  readonly #known = new Set<number>();
  #waiting: { resolve(answer: LoopAnswer): void; reject(error: Error): void } | undefined;
  alive = true;

  constructor() {
    const end = (how: string) => {
      this.alive = false;
      this.#waiting?.reject(
        new DistillError(
          `A thread that updates states has ended${how.replace(/[.\s]+$/, "")}, and the states that it had are updated in part. Go on from what is on disk.`,
        ),
      );
    };
    this.#worker.on("message", (answer: LoopAnswer) => this.#waiting!.resolve(answer));
    this.#worker.on("error", (error) => end(`: ${(error as Error).message}`));
    this.#worker.on("exit", (code) => end(` with code ${code}`));
  }

  async run(id: number, loop: Loop, items: readonly LoopItem[]): Promise<number[]> {
    const call: LoopCall = { id, items, ...(this.#known.has(id) ? {} : { loop }) };
    const { sums, error } = await new Promise<LoopAnswer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#worker.postMessage(call);
    });
    if (error !== undefined) throw new Error(error);
    this.#known.add(id);
    return sums;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
