/**
 * @file Sealed folders: what a stage leaves whole. artefact.json in the folder says which run made it, under which key, and
 * the size and sha256 of every file. It appears with the folder.
 */

import { closeSync, existsSync, fsyncSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { writeWhole } from "../core/files.ts";
import { sha256 } from "../core/hash.ts";
import { openFile } from "../core/streams.ts";
import { encodeState, readState } from "./state.ts";

export const SEAL = "artefact.json";

const Seal = z.object({
  /** The id of the run that wrote it. */
  run: z.string(),
  /** The hash of all that it hangs on. */
  key: z.string(),
  files: z.record(z.string(), z.object({ bytes: z.int(), sha256: z.string() })),
});
export type Seal = z.output<typeof Seal>;

/** Flush the files of a folder, and write its seal. */
export function sealFolder(folder: string, { run, key }: Pick<Seal, "run" | "key">): Seal {
  for (const name of filesIn(folder)) flush(join(folder, name));
  const seal = sealOf(folder, { run, key });
  writeSeal(folder, seal);
  return seal;
}

/** The seal that a folder would get as it is. */
export function sealOf(folder: string, { run, key }: Pick<Seal, "run" | "key">): Seal {
  const names = filesIn(folder).filter((name) => name !== SEAL);
  const files = names.map((name) => {
    const path = join(folder, name);
    return [name, { bytes: statSync(path).size, sha256: sha256(path) }] as const;
  });
  return { run, key, files: Object.fromEntries(files) };
}

export const writeSeal = (folder: string, seal: Seal): void => writeWhole(join(folder, SEAL), encodeState(seal));

function flush(path: string): void {
  const file = openFile(path);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The seal of a folder; what is wrong with it; or undefined where there is none. */
export function readSeal(folder: string): { seal: Seal; damage?: undefined } | { damage: string } | undefined {
  const read = readState(join(folder, SEAL));
  if (!read || read.damage !== undefined) return read;
  const seal = Seal.safeParse(read.state);
  return seal.success ? { seal: seal.data } : { damage: `${join(folder, SEAL)} is no seal` };
}

/** The first file of a folder that is not as its seal says, in words. `hashOf` gives a file's sha256. */
export function damageIn(folder: string, { files }: Seal, hashOf: (path: string) => string): string | undefined {
  for (const [name, { bytes, sha256 }] of Object.entries(files)) {
    const path = join(folder, name);
    if (!existsSync(path)) return `${path} is missing`;
    const { size } = statSync(path);
    if (size !== bytes) return `${path} has ${size} bytes, and ${bytes} were written`;
    if (hashOf(path) !== sha256) return `${path} is not what was written: its sha256 differs`;
  }
  return undefined;
}

/** Folders above a file in which its seal is looked for. */
const ABOVE = 2;

/** What is wrong with a sealed folder, or a file in one, in words; what has no seal is somebody's, and is as it is. */
function damageOf(path: string, hashOf: (path: string) => string): { damage: string; folder: string } | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return undefined;
  let folder = found.isDirectory() ? path : dirname(path);
  for (let i = 0; i < ABOVE && !found.isDirectory() && !existsSync(join(folder, SEAL)); i++) folder = dirname(folder);
  const read = readSeal(folder);
  if (!read) return undefined;
  const damage =
    read.damage ?? damageIn(folder, found.isDirectory() ? read.seal : only(read.seal, path, folder), hashOf);
  return damage === undefined ? undefined : { damage, folder };
}

/** Throw where a sealed folder, or a file in one, is not what was written. */
export function requireWhole(path: string): void {
  const found = damageOf(path, sha256);
  if (found) throw new DistillError(`${found.damage}. Let the recipe that wrote ${found.folder} make it again.`);
}

const told = new Set<string>();

/** Say, once, where what somebody named is not what a run wrote there: it may be damaged, or changed on purpose. */
export function tellDamage(path: string, hashOf: (path: string) => string): void {
  const found = damageOf(path, hashOf);
  if (!found || told.has(found.damage)) return;
  told.add(found.damage);
  console.error(
    `${found.damage}. It is read as it is; if nobody changed it on purpose, let the recipe that wrote ${found.folder} make it again.`,
  );
}

/** A seal of one file. */
function only({ files, ...seal }: Seal, path: string, folder: string): Seal {
  const name = relative(folder, path).split(sep).join("/");
  return { ...seal, files: Object.hasOwn(files, name) ? { [name]: files[name]! } : {} };
}

/** Files in a folder that its seal does not name: somebody else put them there. */
export const foreignIn = (folder: string, { files }: Seal): string[] =>
  filesIn(folder).filter((name) => !(name in files) && name !== SEAL);

/** The files in a folder and in those inside it, by their path from there. */
export function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) =>
    entry.isDirectory() ? filesIn(join(folder, entry.name)).map((name) => `${entry.name}/${name}`) : [entry.name],
  );
}
