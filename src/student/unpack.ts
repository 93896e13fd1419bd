/** @file A student given as one file, or as a folder and an adapter, becomes an HF folder, which everything else starts from. */

import { copyFileSync, existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { contentHash } from "../core/hash.ts";
import { TOKENIZER_FILES } from "../data/tokenizer.ts";
import { modelFor, readAdapter, type StoredAdapter } from "../models/adapter-folder.ts";
import { mergedWeights } from "../models/adapter-weights.ts";
import { createModel, loadWeights, readConfig, writeConfig } from "../models/load.ts";
import type { Model } from "../models/model.ts";
import { saveWeights } from "../models/save.ts";
import { openRunFolder, type RunFolder, readRunFolder } from "../store/run-folder.ts";
import { tellDamage } from "../store/seal.ts";
import type { StudentOptions, StudentSections } from "./options.ts";
import { describeFormats, formatOf, type PackedFormat } from "./packed/format.ts";

/** What a run keeps of it, by name in its folder. */
export const UNPACKED = { base: "base", merged: "base-with-adapter" } as const;

type Given = Pick<StudentSections, "student" | "lora">;

/** The folder of the run `name`, opened to be read unless the student has to be unpacked there, and the student unpacked. */
export async function withStudentFolder(
  given: Given,
  path: string,
  name: string,
): Promise<{ student: StudentOptions; folder: RunFolder; close(): void }> {
  const reading = readRunFolder(path, name);
  const unpacked = await unpackStudent(given, reading, false);
  if (unpacked) return { student: unpacked, folder: reading, close: () => {} };
  const folder = await openRunFolder(path, name);
  try {
    return { student: (await unpackStudent(given, folder, true))!, folder, close: folder.close };
  } catch (error) {
    folder.close();
    throw error;
  }
}

/**
 * The student as a folder. A file is unpacked into the run, and an adapter merged there, once; where an adapter is
 * what is trained, the student stays the folder and the adapter. Nothing where that is to be done and may not be written.
 */
export async function unpackStudent(
  { student, lora }: Given,
  folder: RunFolder,
  writes: boolean,
): Promise<StudentOptions | undefined> {
  if (!("path" in student)) return student;
  if (!existsSync(student.path))
    throw new DistillError(
      `Student not found: ${student.path}. Expected an HF folder with config.json and safetensors, or ${describeFormats()}.`,
    );
  for (const read of [student.path, ...(student.adapter ? [student.adapter] : [])])
    tellDamage(read, folder.hashes.file);
  const has = async (name: string, key: string, make: () => Promise<unknown>): Promise<string | undefined> => {
    if (folder.damage(name, { key })) {
      if (!writes) return undefined;
      await make();
    }
    return join(folder.path, name);
  };
  let { path } = student;
  if (statSync(path).isFile()) {
    const format = formatOf(path);
    if (!format) throw new DistillError(`Student ${path} is a file. Expected an HF folder, or ${describeFormats()}.`);
    const key = keyOf(path, format, folder);
    const made = await has(UNPACKED.base, key, async () => {
      console.error(`Unpacking ${path} into ${join(folder.path, UNPACKED.base)}.`);
      await folder.writeFolder(UNPACKED.base, key, (into) => format.unpack(student.path, into));
    });
    if (!made) return undefined;
    path = made;
  }
  const { adapter } = student;
  if (!adapter) return { ...student, path };
  const stored = readAdapter(adapter);
  const initial = stored.initial === undefined ? [] : [folder.hashes.folder(stored.initial)];
  const key = contentHash([folder.hashes.folder(path), folder.hashes.folder(adapter), ...initial]);
  const merged = await has(UNPACKED.merged, key, async () => {
    console.error(`Merging ${adapter} into ${path}, in ${join(folder.path, UNPACKED.merged)}.`);
    const model = modelFor(stored, () => createModel(readConfig(path), path, { lora: stored.options }));
    await folder.writeFolder(UNPACKED.merged, key, (into) => writeMerged(path, stored, model, into));
  });
  if (!merged) return undefined;
  return lora ? { ...student, path } : { path: merged };
}

/** The hash of a model's file; of several, of all that are there. */
function keyOf(path: string, { beside }: PackedFormat, { hashes }: RunFolder): string {
  const others = beside(basename(path)).map((name) => join(dirname(path), name));
  const there = others.filter((place) => existsSync(place));
  return there.length === 0 ? hashes.file(path) : contentHash([path, ...there].map(hashes.file));
}

/** The model in the folder `path` with an adapter merged into it, as a folder of its own. */
async function writeMerged(path: string, stored: StoredAdapter, model: Model, into: string): Promise<void> {
  const weights = mergedWeights(loadWeights(path, model), stored, { ...model, adapter: model.adapter! });
  await saveWeights(into, model.parameters, async () => weights.next().value!.data as Float32Array);
  weights.return(undefined); // closes the files
  writeConfig(into, readConfig(path));
  for (const file of ["generation_config.json", ...TOKENIZER_FILES])
    if (existsSync(join(path, file))) copyFileSync(join(path, file), join(into, file));
}

/** The model that an unpacked student starts from: its folder, or the one in which its adapter is merged into it. */
export function baseFolder(student: StudentOptions, folder: RunFolder): string | undefined {
  if (!("path" in student)) return undefined;
  return student.adapter ? join(folder.path, UNPACKED.merged) : student.path;
}
