/** @file The importance matrix of a model in a folder, by what its matrices read of texts. */

import { join } from "node:path";
import { DistillError } from "../../core/errors.ts";
import { CHUNK_SIZE, type ImportanceMatrix } from "../../formats/imatrix.ts";
import { columnSums, type SumsOptions } from "../../generation/column-sums.ts";
import { createModel, ggufLayout, loadWeights, readConfig } from "../../models/load.ts";
import type { Device } from "../../runtime/device.ts";
import { tensor } from "../../runtime/tensor.ts";

/**
 * Put the weights in `folder` on the device and read `texts`, each a list of tokens; `dataset` says what they are. Nothing
 * where the signal ended it. The same on one machine's CPU.
 */
export async function collectImportance(
  device: Device,
  folder: string,
  texts: readonly (readonly number[])[],
  dataset: string,
  options: SumsOptions = {},
): Promise<ImportanceMatrix | undefined> {
  const place = join(folder, "config.json");
  const config = readConfig(folder);
  const model = createModel(config, place);
  const names = new Map(ggufLayout(config, place).tensors.map(({ name, gguf }) => [name, gguf]));
  for (const { name, shape, data } of loadWeights(folder, model))
    await device.write(name, tensor("float32", shape, data));
  const found = await columnSums(device, model, texts, options);
  if (!found) return undefined;
  const count = texts.reduce((sum, { length }) => sum + length, 0);
  const entries = [...found].map(
    ([name, sums]) => [names.get(name)!, { sums: finite(folder, name, sums), count }] as const,
  );
  return { entries: new Map(entries), datasets: [dataset], chunk_count: Math.ceil(count / CHUNK_SIZE) };
}

function finite(folder: string, name: string, sums: Float64Array): Float32Array {
  const rounded = Float32Array.from(sums);
  const wrong = rounded.findIndex((x) => !Number.isFinite(x));
  if (wrong >= 0)
    throw new DistillError(
      `What "${name}" of ${folder} reads in column ${wrong} is not finite: its squares add up to ${sums[wrong]}. Take the weights of an earlier checkpoint.`,
    );
  return rounded;
}
