/** @file How long a process has been at work, since a busy machine is no fault of a program. */

import { readFileSync } from "node:fs";

/** Milliseconds for which the main thread of a process had a processor; wall time where the system does not tell. */
export function ownTime(pid: number): () => number {
  const start = performance.now();
  const first = worked(pid);
  let last = 0;
  return () => {
    const now = first === undefined ? performance.now() - start : worked(pid);
    last = now === undefined ? last : first === undefined ? now : now - first;
    return last;
  };
}

/** Linux tells nanoseconds on a processor, nanoseconds of waiting for one, and how often. */
function worked(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const [running] = readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ");
    return Number(running) / 1e6;
  } catch {
    return undefined;
  }
}
