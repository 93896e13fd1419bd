import { basename, join } from "node:path";
import { writeWhole } from "../../core/files.ts";
import { tokenizerFromGguf } from "../../data/gguf-tokenizer.ts";
import { openGguf } from "../../formats/gguf-reader.ts";
import { openGgufModel, otherPieces } from "../../formats/gguf-split.ts";
import { configFromGguf, weightsFromGguf } from "../../models/from-gguf.ts";
import { createModel } from "../../models/load.ts";
import { saveWeights } from "../../models/save.ts";
import type { PackedFormat } from "./format.ts";

export const gguf: PackedFormat = {
  ending: ".gguf",
  beside: otherPieces,
  async unpack(path, folder) {
    const file = openGgufModel(path);
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
  },
  tokenizer(path) {
    const { metadata, close } = openGguf(path);
    close();
    return tokenizerFromGguf(metadata, path);
  },
};
