import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../../core/files.ts";
import { readJson, readText } from "../../core/reading.ts";
import { TEMPLATE_FILE } from "../../data/template-files.ts";
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
  keepTemplate(tokenizer, folder);
  const generation = { eos_token_id: eosTokenId(tokenizer), do_sample: false };
  writeWhole(join(folder, "generation_config.json"), `${JSON.stringify(generation, null, 2)}\n`);
}

/** Let every place that programs look for a chat template in have the one that the student was trained with. */
function keepTemplate({ template }: Tokenizer, folder: string): void {
  const [file, config] = [TEMPLATE_FILE, "tokenizer_config.json"].map((name) => join(folder, name));
  const configured = readJson(config!, "The tokenizer's tokenizer_config.json") as Record<string, unknown>;
  const found = existsSync(file!) ? readText(file!, "The chat template") : undefined;
  const said = [found, configured.chat_template].filter((one) => one !== undefined && one !== null);
  if (template === undefined || (said.length > 0 && said.every((one) => one === template))) return;
  if (found !== undefined) writeWhole(file!, template);
  writeWhole(config!, `${JSON.stringify({ ...configured, chat_template: template }, null, 2)}\n`);
}
