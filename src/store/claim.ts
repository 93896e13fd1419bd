/** @file Whose a folder is: a run claims one that is new or empty, and notes there what it makes in it. */

import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { makeFolder, writeWhole } from "../core/files.ts";
import { isAppendLog } from "./append-log.ts";
import { earlierRun, keepEarlier } from "./earlier.ts";
import { readSeal } from "./seal.ts";
import { encodeState, readState } from "./state.ts";
import { noFiles } from "./whole-files.ts";

/** The run's own: the claim, locks, what is being written, hashes of files. */
export const OWN = ".distill";

/** What it left in the files that it writes whole. */
export const WHOLE_FILES = `${OWN}/files.json`;

const Claim = z.object({
  id: z.string(),
  name: z.string(),
  created_at: z.string(),
  /** What this run has made in the folder. */
  names: z.array(z.string()),
});
export type Claim = z.output<typeof Claim>;

const claimPath = (path: string) => join(path, OWN, "run.json");

/** A folder that holds something, and which no run has claimed, is somebody's. */
export function refuseForeign(path: string, name: string): void {
  if (!existsSync(path)) return;
  if (!statSync(path).isDirectory()) throw new DistillError(`${path} is a file, and the run would be kept there.`);
  const claim = readClaim(path);
  if (claim) {
    if (claim.name !== name)
      throw new DistillError(`${path} belongs to the recipe "${claim.name}". Give "${name}" another output.`);
    return;
  }
  const there = readdirSync(path).filter((entry) => entry !== OWN);
  if (there.length === 0) return;
  const earlier = earlierRun(path);
  if (earlier?.name === name) return;
  if (earlier)
    throw new DistillError(`${path} belongs to the recipe "${earlier.name}". Give "${name}" another output.`);
  const some = there.length > 4 ? `${there.slice(0, 4).join(", ")}, …` : there.join(", ");
  throw new DistillError(
    `${path} holds ${some}, and no run has claimed it (${claimPath(path)}). Nothing there is touched: give output a new or an empty folder.`,
  );
}

/** The claim of a folder; where its file is lost, what the manifest says of it. */
export const readClaim = (path: string): Claim | undefined => claimIn(path) ?? claimInManifest(path);

function claimIn(path: string): Claim | undefined {
  const claim = Claim.safeParse(readState(claimPath(path))?.state);
  return claim.success ? claim.data : undefined;
}

/** What a run writes while a stage goes on, or once the last one is done: of that the manifest does not know. */
const MEANWHILE = ["README.md", "report.html", "set-aside", "metrics.jsonl"];

/** Whether a folder holds what says itself that this run wrote it: ledgers, and what is sealed by it. */
function isOf(folder: string, id: string): boolean {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return false;
  const inside = readdirSync(folder, { withFileTypes: true });
  return (
    inside.length > 0 &&
    inside.every((entry) => {
      const path = join(folder, entry.name);
      const read = entry.isDirectory() ? readSeal(path) : undefined;
      return entry.isDirectory() && (isAppendLog(path) || (read?.damage === undefined && read?.seal.run === id));
    })
  );
}

function claimInManifest(path: string): Claim | undefined {
  const manifest = readState(join(path, "manifest.json"))?.state;
  const kept = Claim.safeParse(manifest?.claim);
  if (!kept.success) return undefined;
  const others = readdirSync(path).filter(
    (name) => name !== OWN && (MEANWHILE.includes(name) || isOf(join(path, name), kept.data.id)),
  );
  return { ...kept.data, names: [...new Set([...kept.data.names, ...others])] };
}

/** The claim, written where it is not there, and nothing left of what killed processes were writing. */
export function claimed(path: string, name: string): Claim {
  rmSync(join(path, OWN, "temporary"), { recursive: true, force: true });
  const claim = readClaim(path);
  const earlier = claim ? undefined : earlierRun(path);
  const kept = claim ?? {
    id: randomUUID(),
    name,
    created_at: new Date().toISOString(),
    names: earlier ? ["set-aside"] : [],
  };
  if (!claimIn(path)) {
    // with the claim, what is known of its files may be lost: then each is kept where another takes its place
    if (!earlier && !readState(join(path, WHOLE_FILES))?.state)
      writeWhole(join(path, WHOLE_FILES), noFiles(), temporaryIn(path, "files.json"));
    writeClaim(path, kept);
  }
  keepEarlier(path);
  return kept;
}

export function writeClaim(path: string, claim: Claim): void {
  writeWhole(claimPath(path), encodeState(claim), temporaryIn(path, "run.json"));
}

let written = 0;

/** A path at which something is written before it gets its name. */
export function temporaryIn(path: string, name: string): string {
  const folder = join(path, OWN, "temporary");
  makeFolder(folder);
  return join(folder, `${++written}-${name.replaceAll("/", "-")}`);
}
