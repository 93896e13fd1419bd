import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../../core/files.ts";
import { eosTokenId, TOKENIZER_FILES, type Tokenizer } from "../../data/tokenizer.ts";
import type { ModelConfig } from "../../models/load.ts";
import type { Model } from "../../models/model.ts";
import type { Device } from "../../runtime/device.ts";
import { saveModel } from "../../trainers/checkpoint.ts";

/** Write the student whose weights are on the device as Hugging Face lays a model out, an adapter merged. */
export async function writeStudent(
  device: Device,
  model: Model,
  { config, tokenizer }: { config: ModelConfig; tokenizer: Tokenizer },
  folder: string,
): Promise<void> {
  await saveModel(device, model, config, folder);
  for (const file of TOKENIZER_FILES)
    if (existsSync(join(tokenizer.folder, file))) copyFileSync(join(tokenizer.folder, file), join(folder, file));
  const generation = { eos_token_id: eosTokenId(tokenizer), do_sample: false };
  writeWhole(join(folder, "generation_config.json"), `${JSON.stringify(generation, null, 2)}\n`);
}
