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

/** So many times its limit a run may take in any case, and longer while the machine gives it at least this share. */
const MOST_WAITING = 30;
const LEAST_SHARE = 1 / 120;

/** Whether the machine is too busy to say anything of a program that had `own` of `passed` milliseconds. */
export const isTooBusy = (own: number, passed: number, time_ms: number): boolean =>
  passed > MOST_WAITING * time_ms && own < LEAST_SHARE * passed;

export const BUSY = "the machine is too busy to keep the time limit";
