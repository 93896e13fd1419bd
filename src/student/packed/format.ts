/** @file Models that are one file. A student that is given so is unpacked into an HF folder, which everything else starts from. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeWhole } from "../../core/files.ts";
import { loadTokenizer, type Rendering, type Tokenizer } from "../../data/tokenizer.ts";
import * as formats from "./index.ts";

export type PackedFormat = {
  /** How the names of its files end. */
  ending: string;
  /** The names of the other files of the model in a file of this name. */
  beside(name: string): string[];
  /** Write the model at `path` as an HF folder: config.json, float32 weights, tokenizer and chat template. */
  unpack(path: string, folder: string): Promise<void>;
  /** The files of its tokenizer folder, by name. */
  tokenizer(path: string): Record<string, string>;
};

/** The format of a file, by the ending of its name; undefined where none has it. */
export const formatOf = (path: string): PackedFormat | undefined =>
  Object.values<PackedFormat>(formats).find(({ ending }) => path.endsWith(ending));

/** What can be given in place of a folder, for sentences. */
export const describeFormats = (): string =>
  Object.values<PackedFormat>(formats)
    .map(({ ending }) => `a file that ends in ${ending}`)
    .join(", ");

/** The tokenizer of the model at `path`, read without the model. Its folder is gone. */
export function packedTokenizer(format: PackedFormat, path: string, rendering: Rendering): Tokenizer {
  const folder = mkdtempSync(join(tmpdir(), "distill-tokenizer-"));
  try {
    for (const [name, content] of Object.entries(format.tokenizer(path))) writeWhole(join(folder, name), content);
    return loadTokenizer(folder, path, rendering);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
