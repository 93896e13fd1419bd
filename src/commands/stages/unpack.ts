/** @file A student given as a GGUF file, or as a folder and an adapter, becomes an HF folder, which everything else starts from. */

import { copyFileSync, existsSync } from "node:fs";
import { basename, join } from "node:path";
import { DistillError } from "../../core/errors.ts";
import { writeWhole } from "../../core/files.ts";
import { contentHash } from "../../core/hash.ts";
import { tokenizerFromGguf } from "../../data/gguf-tokenizer.ts";
import { TOKENIZER_FILES } from "../../data/tokenizer.ts";
import { openGguf } from "../../formats/gguf-reader.ts";
import { mergedWeights, readAdapterOptions } from "../../models/adapter-folder.ts";
import { configFromGguf, weightsFromGguf } from "../../models/from-gguf.ts";
import { createModel, loadWeights, readConfig } from "../../models/load.ts";
import { saveWeights } from "../../models/save.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { openRunFolder, type RunFolder, readRunFolder } from "../../store/run-folder.ts";
import { NAMES } from "./context.ts";

/** The run's folder, opened to be read unless the student has to be unpacked there, and the recipe with it unpacked. */
export async function withStudentFolder(recipe: Recipe): Promise<{ recipe: Recipe; folder: RunFolder; close(): void }> {
  const reading = readRunFolder(recipe.output!, recipe.name);
  const unpacked = await unpackStudent(recipe, reading, false);
  if (unpacked) return { recipe: unpacked, folder: reading, close: () => {} };
  const folder = await openRunFolder(recipe.output!, recipe.name);
  try {
    return { recipe: (await unpackStudent(recipe, folder, true))!, folder, close: folder.close };
  } catch (error) {
    folder.close();
    throw error;
  }
}

/**
 * The recipe with its student as a folder. A GGUF file is unpacked into the run, and an adapter merged there, once; where
 * an adapter is what is trained, the student stays the folder and the adapter. Nothing where that is to be done and may
 * not be written.
 */
export async function unpackStudent(recipe: Recipe, folder: RunFolder, writes: boolean): Promise<Recipe | undefined> {
  const { student } = recipe;
  if (!("path" in student)) return recipe;
  if (!existsSync(student.path))
    throw new DistillError(
      `Student not found: ${student.path}. Expected an HF folder with config.json and safetensors, or a GGUF file.`,
    );
  const has = async (name: string, key: string, make: () => Promise<unknown>): Promise<string | undefined> => {
    if (folder.damage(name, { key })) {
      if (!writes) return undefined;
      await make();
    }
    return join(folder.path, name);
  };
  let { path } = student;
  if (path.endsWith(".gguf")) {
    const key = folder.hashes.file(path);
    const made = await has(NAMES.base, key, async () => {
      console.error(`Unpacking ${path} into ${join(folder.path, NAMES.base)}.`);
      await folder.writeFolder(NAMES.base, key, (into) => unpackGguf(student.path, into));
    });
    if (!made) return undefined;
    path = made;
  }
  const { adapter } = student;
  if (!adapter) return { ...recipe, student: { ...student, path } };
  const options = readAdapterOptions(adapter);
  const key = contentHash([folder.hashes.folder(path), folder.hashes.folder(adapter)]);
  const merged = await has(NAMES.merged, key, async () => {
    console.error(`Merging ${adapter} into ${path}, in ${join(folder.path, NAMES.merged)}.`);
    const model = createModel(readConfig(path), path, { lora: options });
    await folder.writeFolder(NAMES.merged, key, async (into) => {
      const weights = mergedWeights(loadWeights(path, model), adapter, model.adapter!);
      await saveWeights(into, model.parameters, async () => weights.next().value!.data as Float32Array);
      weights.return(undefined); // closes the files
      for (const file of ["config.json", "generation_config.json", ...TOKENIZER_FILES])
        if (existsSync(join(path, file))) copyFileSync(join(path, file), join(into, file));
    });
  });
  if (!merged) return undefined;
  return recipe.lora ? { ...recipe, student: { ...student, path } } : { ...recipe, student: { path: merged } };
}

/** Write the model in a GGUF file as an HF folder: config.json, float32 weights, tokenizer and chat template. */
export async function unpackGguf(path: string, folder: string): Promise<void> {
  const file = openGguf(path);
  try {
    const config = configFromGguf(file, path);
    const tokenizer = tokenizerFromGguf(file.metadata, path);
    const weights = weightsFromGguf(file, path);
    const { parameters } = createModel(config, path);
    await saveWeights(folder, parameters, async () => weights.next().value!.data as Float32Array);
    writeWhole(join(folder, "config.json"), `${JSON.stringify({ ...config, torch_dtype: "float32" }, null, 2)}\n`);
    for (const [name, content] of Object.entries(tokenizer)) writeWhole(join(folder, name), content);
    writeWhole(join(folder, "unpacked_from.json"), `${JSON.stringify({ file: basename(path) })}\n`);
  } finally {
    file.close();
  }
}
