/** @file What memory is free where a device has its own. */

import { spawnSync } from "node:child_process";
import { availableMemory } from "../core/memory.ts";
import type { HostOptions } from "./protocol.ts";

type Card = Pick<HostOptions, "device_id" | "memory_limit">;

/** The card's memory in MiB, what is free of it, and what the recipe allows; undefined where there is no word of it. */
export function cardMemory({ device_id = 0, memory_limit }: Card) {
  const query = [`--id=${device_id}`, "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"];
  const said = spawnSync("nvidia-smi", query, { encoding: "utf8", timeout: 5000 }).stdout?.split(",") ?? [];
  const [free, total] = said.map(Number);
  if (said.length !== 2 || !Number.isFinite(free) || !Number.isFinite(total)) return undefined;
  const allowed = memory_limit === undefined ? undefined : Math.round(memory_limit / 2 ** 20);
  return { free: free!, total: total!, allowed };
}

/** The same in words, once it did not suffice. Nothing where the device does not say. */
export function freeMemory({ provider, ...card }: HostOptions): string | undefined {
  if (provider === "cpu") return `${availableMemory()} MB are free`;
  const memory = provider === "cuda" ? cardMemory(card) : undefined;
  if (!memory) return undefined;
  const limit = memory.allowed === undefined ? "" : ` (cuda.memory_limit allows ${memory.allowed})`;
  return `${memory.free} of the card's ${memory.total} MiB are free${limit}`;
}
