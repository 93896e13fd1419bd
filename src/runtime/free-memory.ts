/** @file What memory is free where a device has its own, in words, once it did not suffice. */

import { spawnSync } from "node:child_process";
import { availableMemory } from "../core/memory.ts";
import type { HostOptions } from "./protocol.ts";

/** Nothing where the device does not say. */
export function freeMemory({ provider, device_id = 0, memory_limit }: HostOptions): string | undefined {
  if (provider === "cpu") return `${availableMemory()} MB are free`;
  if (provider !== "cuda") return undefined;
  const query = [`--id=${device_id}`, "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"];
  const [free, total] = spawnSync("nvidia-smi", query, { encoding: "utf8", timeout: 5000 }).stdout?.split(",") ?? [];
  if (!total) return undefined;
  const limit = memory_limit === undefined ? "" : ` (cuda.memory_limit allows ${Math.round(memory_limit / 2 ** 20)})`;
  return `${Number(free)} of the card's ${Number(total)} MiB are free${limit}`;
}
