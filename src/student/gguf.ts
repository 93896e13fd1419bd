/** @file A student in a GGUF file. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { writeWhole } from "../core/files.ts";
import { tokenizerFromGguf } from "../data/gguf-tokenizer.ts";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { openGguf } from "../formats/gguf-reader.ts";
import { configFromGguf, weightsFromGguf } from "../models/from-gguf.ts";
import { createModel } from "../models/load.ts";
import { saveWeights } from "../models/save.ts";

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

/** The tokenizer in a GGUF file, read without the model. Its folder is gone. */
export function tokenizerInGguf(path: string): Tokenizer {
  const file = openGguf(path);
  const folder = mkdtempSync(join(tmpdir(), "distill-tokenizer-"));
  try {
    for (const [name, content] of Object.entries(tokenizerFromGguf(file.metadata, path)))
      writeWhole(join(folder, name), content);
    return loadTokenizer(folder, path);
  } finally {
    file.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
