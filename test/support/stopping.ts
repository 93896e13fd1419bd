/** @file Signals that stop a run at a step. */

import { existsSync } from "node:fs";
import { join } from "node:path";

/** A signal that is given as soon as it is looked at when the checkpoint of `step` is in the run's folder. */
export function stoppingAfter(step: number, output: string): AbortSignal {
  const controller = new AbortController();
  return new Proxy(controller.signal, {
    get(signal, key) {
      if (key === "aborted" && existsSync(join(output, "checkpoints", `step-${step}`))) controller.abort();
      const value: unknown = Reflect.get(signal, key, signal);
      return typeof value === "function" ? value.bind(signal) : value;
    },
  });
}
