/** @file The worker thread that owns a device's sessions and states, as the main thread calls it. */

import { Worker } from "node:worker_threads";
import { DistillError, Stopped } from "../core/errors.ts";
import { moduleUrl } from "../core/modules.ts";
import type { Answer, Method, Requests } from "./protocol.ts";

export class HostWorker {
  readonly #worker = new Worker(moduleUrl("runtime/worker.js"));
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #calls = 0;
  /** Why there is no worker any more. */
  #lost: Error | undefined;

  /** `name` is the device's, for errors. */
  constructor(name: string) {
    this.#worker.on("message", ({ id, response, error }: Answer) => {
      const call = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#worker.unref();
      if (error) call?.reject(errorOf(error));
      else call?.resolve(response);
    });
    this.#worker.on("error", (error) => this.#lose(name, `: ${(error as Error).message}`, error as Error));
    this.#worker.on("exit", (code) => this.#lose(name, ` with code ${code}`));
    this.#worker.unref();
  }

  /** Whether the thread has ended by itself, and with it all that it held. */
  get lost(): boolean {
    return this.#lost !== undefined;
  }

  /** Ask the worker, which does one thing after the other. A thread that has ended answers nothing more, but rejects. */
  readonly call = <M extends Method>(
    method: M,
    request: Requests[M]["request"],
    transfer: ArrayBuffer[] = [],
  ): Promise<Requests[M]["response"]> => {
    if (this.#lost) return Promise.reject(this.#lost);
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id, method, request }, transfer);
    });
  };

  /** End the thread. */
  async end(): Promise<void> {
    this.#worker.removeAllListeners("exit");
    this.#worker.removeAllListeners("message"); // a late answer would let the process end before the thread has
    await this.#worker.terminate();
  }

  #lose(name: string, how: string, cause?: Error): void {
    this.#lost ??= new DistillError(
      `The thread that computes on device "${name}" has ended${how.replace(/[.\s]+$/, "")}. The weights and states that it held are gone; open the device again, and go on from what is on disk.`,
      { cause },
    );
    for (const { reject } of this.#waiting.values()) reject(this.#lost);
    this.#waiting.clear();
  }
}

function errorOf({ message, kind, stack }: NonNullable<Answer["error"]>): Error {
  if (kind === "stopped") return new Stopped();
  return kind === "mendable" ? new DistillError(message) : Object.assign(new Error(message), { cause: stack });
}
