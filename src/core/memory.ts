/** @file Memory of the machine, before it runs out: then the system ends the process without a word. */

import { readFileSync } from "node:fs";
import { freemem } from "node:os";

/** MB that this process can still take, in its container too, and on the disk where the system swaps. */
export function availableMemory(): number {
  const free = process.availableMemory?.() ?? freemem();
  return Math.round((free + swap()) / 2 ** 20);
}

function swap(): number {
  if ((process.constrainedMemory?.() ?? 0) < 2 ** 50) return 0; // a container's limit says nothing of it
  try {
    return 1024 * Number(/SwapFree:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0);
  } catch {
    return 0; // no such file on this system
  }
}
