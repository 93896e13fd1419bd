/** @file A student given as a GGUF file becomes an HF folder, which everything else starts from. */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { DistillError } from "../../core/errors.ts";
import { readJson, writeFolder, writeWhole } from "../../core/files.ts";
import { fileHashes } from "../../core/hash.ts";
import { tokenizerFromGguf } from "../../data/gguf-tokenizer.ts";
import { openGguf } from "../../formats/gguf-reader.ts";
import { configFromGguf, weightsFromGguf } from "../../models/from-gguf.ts";
import { createModel } from "../../models/load.ts";
import { saveWeights } from "../../models/save.ts";
import type { Recipe } from "../../recipe/recipe.ts";

/** Names the file that a folder was unpacked from. */
const SOURCE = "unpacked_from.json";

/** The recipe with its student as a folder; a GGUF file is unpacked into the run, once. */
export async function withStudentFolder(recipe: Recipe): Promise<Recipe> {
  const { student, output } = recipe;
  if (!("path" in student) || !student.path.endsWith(".gguf")) return recipe;
  if (!existsSync(student.path))
    throw new DistillError(`Student not found: ${student.path}. Expected a GGUF file or an HF folder.`);
  const folder = join(output!, "base");
  const sha256 = fileHashes(join(output!, "hashes.json")).file(student.path);
  if (!isUnpacked(folder, sha256)) {
    console.error(`Unpacking ${student.path} into ${folder}.`);
    await unpackGguf(student.path, folder, sha256);
  }
  return { ...recipe, student: { ...student, path: folder } };
}

function isUnpacked(folder: string, sha256: string): boolean {
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
