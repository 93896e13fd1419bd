/** @file What memory is free where a device has its own. */

import { spawnSync } from "node:child_process";
import { availableMemory } from "../core/memory.ts";
import { vulkanDrivers } from "./machine.ts";
import type { HostOptions } from "./protocol.ts";

type Card = Pick<HostOptions, "device_id" | "memory_limit">;

/**
 * A card's memory in MiB, what is free of it, and what the recipe allows; undefined where there is no word of it. Which of
 * several cards WebGPU takes is not known: that with the least.
 */
export function cardMemory(provider: HostOptions["provider"], { device_id = 0, memory_limit }: Card) {
  if (provider === "webgpu") {
    const drivers = vulkanDrivers().filter(({ found }) => found);
    if (!drivers.some(({ library }) => /nvidia/i.test(library))) return undefined;
  }
  const query = [
    ...(provider === "cuda" ? [`--id=${device_id}`] : []),
    "--query-gpu=memory.free,memory.total",
    "--format=csv,noheader,nounits",
  ];
  const said = spawnSync("nvidia-smi", query, { encoding: "utf8", timeout: 5000 }).stdout ?? "";
  const cards = said
    .split("\n")
    .map((line) => line.split(",").map(Number))
    .filter((numbers) => numbers.length === 2 && numbers.every(Number.isFinite))
    .map(([free, total]) => ({ free: free!, total: total! }));
  const [card] = cards.sort((a, b) => a.free - b.free);
  if (!card) return undefined;
  const allowed = provider === "webgpu" || memory_limit === undefined ? undefined : Math.round(memory_limit / 2 ** 20);
  return { ...card, allowed };
}

/** The same in words, once it did not suffice. Nothing where the device does not say. */
export function freeMemory({ provider, ...card }: HostOptions): string | undefined {
  if (provider === "cpu") return `${availableMemory()} MB are free`;
  const memory = cardMemory(provider, card);
  if (!memory) return undefined;
  const limit = memory.allowed === undefined ? "" : ` (cuda.memory_limit allows ${memory.allowed})`;
  return `${memory.free} of the card's ${memory.total} MiB are free${limit}`;
}
