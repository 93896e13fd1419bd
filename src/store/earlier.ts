/** @file Folders of runs that a version without claims made: what its stages wrote is kept beside what is made now. */

import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { makeFolder } from "../core/files.ts";
import { readFile } from "../core/streams.ts";

/** Where what an earlier version's run wrote is kept. */
export const EARLIER = "set-aside/earlier";

/** What each stage of an earlier version left in a run's folder. */
const EARLIER_NAMES: Record<string, RegExp> = {
  sample: /^traces(-[0-9a-f]+)?$/,
  select: /^dataset$/,
  train: /^(student|adapter|checkpoints|metrics\.jsonl|base|base-with-adapter)$/,
  export: /^export$/,
  evaluate: /^evaluation$/,
};

const EarlierManifest = z.object({
  name: z.string(),
  versions: z.object({ distill: z.string() }),
  stages: z.record(z.string(), z.unknown()),
  // what manifests have had since
  checksum: z.undefined().optional(),
  claim: z.undefined().optional(),
});

/** The name of the recipe of a folder that a version without claims made. */
export function earlierRun(path: string): { name: string; stages: Record<string, unknown> } | undefined {
  try {
    return EarlierManifest.parse(JSON.parse(readFile(join(path, "manifest.json")).toString("utf8")));
  } catch {
    return undefined; // there is none, or it is somebody else's
  }
}

/** Move what an earlier version's stages wrote out of the way; the manifest, which says what that is, goes last. */
export function keepEarlier(path: string): void {
  const earlier = earlierRun(path);
  if (!earlier) return;
  const patterns = [...Object.keys(earlier.stages).flatMap((stage) => EARLIER_NAMES[stage] ?? []), /^hashes\.json$/];
  const names = readdirSync(path).filter((name) => patterns.some((pattern) => pattern.test(name)));
  makeFolder(join(path, EARLIER));
  for (const name of [...names, "manifest.json"]) renameSync(join(path, name), join(path, EARLIER, name));
  console.error(
    `${path} was made by an earlier version. What that wrote is kept in ${join(path, EARLIER)}; traces that were drawn as the recipe asks are taken from there, and the rest is made again.`,
  );
}
