/** @file How an adapter computes transposed products fastest, as doctor measured it, kept beside other caches of the user. */

import { existsSync, readFileSync } from "node:fs";
import { SPELLINGS, type Spelling } from "../compiler/targets.ts";
import { cached } from "../core/caches.ts";
import { writeWhole } from "../core/files.ts";
import { contentHash } from "../core/hash.ts";
import { pciCards, vulkanDrivers } from "./machine.ts";
import { packageVersion } from "./ort/library.ts";

export type Kept = Spelling & { measured_at: string };

const placeOf = () => cached("webgpu-products.json");

/** Names the cards, their drivers and ONNX Runtime, as far as files tell them: another of any of them is measured anew. */
function adapter(): string {
  const nvidia = "/proc/driver/nvidia/version";
  const drivers = vulkanDrivers().map(({ manifest, library }) => `${manifest} ${library}`);
  const parts = [...pciCards(), ...drivers, existsSync(nvidia) ? readFileSync(nvidia, "utf8") : "", packageVersion()];
  return contentHash(parts).slice(0, 16);
}

/** All that is kept, by adapter; nothing of a file that is none of ours. */
function all(): Record<string, Kept> {
  try {
    const found = JSON.parse(readFileSync(placeOf(), "utf8")) as unknown;
    return typeof found === "object" && found !== null && !Array.isArray(found) ? (found as Record<string, Kept>) : {};
  } catch {
    return {}; // not there, or not whole: it can be measured again
  }
}

/** What was measured on this machine's adapter. */
export function keptSpelling(): Kept | undefined {
  const kept = all()[adapter()];
  const valid = [kept?.forward, kept?.weight_gradient].every((one) => SPELLINGS.includes(one as never));
  return valid && typeof kept!.measured_at === "string" ? kept : undefined;
}

/** Keep what was measured. Returns the file. */
export function keepSpelling(spelling: Spelling): string {
  const kept: Kept = { ...spelling, measured_at: new Date().toISOString().slice(0, 10) };
  writeWhole(placeOf(), `${JSON.stringify({ ...all(), [adapter()]: kept }, null, 2)}\n`);
  return placeOf();
}
