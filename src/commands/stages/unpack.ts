/** @file A student given as a GGUF file, or as a folder and an adapter, becomes an HF folder, which everything else starts from. */

import { copyFileSync, existsSync } from "node:fs";
import { basename, join } from "node:path";
import { DistillError } from "../../core/errors.ts";
import { readJson, writeFolder, writeWhole } from "../../core/files.ts";
import { contentHash, fileHashes } from "../../core/hash.ts";
import { tokenizerFromGguf } from "../../data/gguf-tokenizer.ts";
import { TOKENIZER_FILES } from "../../data/tokenizer.ts";
import { openGguf } from "../../formats/gguf-reader.ts";
import { mergedWeights, readAdapterOptions } from "../../models/adapter-folder.ts";
import { configFromGguf, weightsFromGguf } from "../../models/from-gguf.ts";
import { createModel, loadWeights, readConfig } from "../../models/load.ts";
import { saveWeights } from "../../models/save.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { baseFolder } from "./context.ts";

/** Names what a folder was made of. */
const SOURCE = "unpacked_from.json";

/**
 * The recipe with its student as a folder. A GGUF file is unpacked into the run, and an adapter merged there, once; where
 * an adapter is what is trained, the student stays the folder and the adapter.
 */
export async function withStudentFolder(recipe: Recipe): Promise<Recipe> {
  const unpacked = await withoutGguf(recipe);
  const { student, lora } = unpacked;
  if (!("path" in student) || !student.adapter) return unpacked;
  const folder = await mergeOnce(student.path, student.adapter, unpacked);
  return lora ? unpacked : { ...unpacked, student: { path: folder } };
}

/** The folder of the run in which an adapter is merged into the model in `path`. */
async function mergeOnce(path: string, adapter: string, recipe: Recipe): Promise<string> {
  const folder = baseFolder({ recipe, output: recipe.output! })!;
  const hashes = fileHashes(join(recipe.output!, "hashes.json"));
  const options = readAdapterOptions(adapter);
  const sha256 = contentHash([hashes.folder(path), hashes.folder(adapter)]);
  if (isMadeOf(folder, sha256)) return folder;
  console.error(`Merging ${adapter} into ${path}, in ${folder}.`);
  const model = createModel(readConfig(path), path, { lora: options });
  await writeFolder(folder, async (temporary) => {
    const weights = mergedWeights(loadWeights(path, model), adapter, model.adapter!);
    await saveWeights(temporary, model.parameters, async () => weights.next().value!.data as Float32Array);
    weights.return(undefined); // closes the files
    for (const file of ["config.json", "generation_config.json", ...TOKENIZER_FILES])
      if (existsSync(join(path, file))) copyFileSync(join(path, file), join(temporary, file));
    writeWhole(join(temporary, SOURCE), `${JSON.stringify({ path, adapter, sha256 }, null, 2)}\n`);
  });
  return folder;
}

async function withoutGguf(recipe: Recipe): Promise<Recipe> {
  const { student, output } = recipe;
  if (!("path" in student) || !student.path.endsWith(".gguf")) return recipe;
  if (!existsSync(student.path))
    throw new DistillError(`Student not found: ${student.path}. Expected a GGUF file or an HF folder.`);
  const folder = join(output!, "base");
  const sha256 = fileHashes(join(output!, "hashes.json")).file(student.path);
  if (!isMadeOf(folder, sha256)) {
    console.error(`Unpacking ${student.path} into ${folder}.`);
    await unpackGguf(student.path, folder, sha256);
  }
  return { ...recipe, student: { ...student, path: folder } };
}

function isMadeOf(folder: string, sha256: string): boolean {
  const source = join(folder, SOURCE);
  return existsSync(source) && (readJson(source, "The unpacked student") as { sha256?: unknown }).sha256 === sha256;
}

/** Write the model in a GGUF file as an HF folder: config.json, float32 weights, tokenizer and chat template. */
export async function unpackGguf(path: string, folder: string, sha256: string): Promise<void> {
  const file = openGguf(path);
  try {
    const config = configFromGguf(file, path);
    const tokenizer = tokenizerFromGguf(file.metadata, path);
    await writeFolder(folder, async (temporary) => {
      const weights = weightsFromGguf(file, path);
      const { parameters } = createModel(config, path);
      await saveWeights(temporary, parameters, async () => weights.next().value!.data as Float32Array);
      writeWhole(join(temporary, "config.json"), `${JSON.stringify({ ...config, torch_dtype: "float32" }, null, 2)}\n`);
      for (const [name, content] of Object.entries(tokenizer)) writeWhole(join(temporary, name), content);
      writeWhole(join(temporary, SOURCE), `${JSON.stringify({ file: basename(path), sha256 }, null, 2)}\n`);
    });
  } finally {
    file.close();
  }
}
