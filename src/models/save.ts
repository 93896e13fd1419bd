/** @file A model's weights as Hugging Face lays them out: in one file, or in shards with an index. */

import { join } from "node:path";
import { writeWhole } from "../core/files.ts";
import { saveTensors } from "./load.ts";

type Named = { name: string; shape: readonly number[] };

/** Where a file ends and the next one begins: what the hub's libraries have long used. */
const MAX_SHARD_BYTES = 5_000_000_000;

/**
 * Write weights in float32: model.safetensors, or model-00001-of-0000N.safetensors and so on with
 * model.safetensors.index.json where they are more than `max_shard_bytes`. A weight is never divided.
 */
export async function saveWeights(
  folder: string,
  weights: readonly Named[],
  read: (name: string) => Promise<Float32Array>,
  max_shard_bytes = MAX_SHARD_BYTES,
): Promise<void> {
  const shards = divide(weights, max_shard_bytes);
  if (shards.length <= 1) return saveTensors(join(folder, "model.safetensors"), weights, read);
  const weight_map: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const five = (n: number) => String(n).padStart(5, "0");
    const file = `model-${five(i + 1)}-of-${five(shards.length)}.safetensors`;
    await saveTensors(join(folder, file), shard, read);
    for (const { name } of shard) weight_map[name] = file;
  }
  const index = { metadata: { total_size: weights.reduce((sum, weight) => sum + bytesOf(weight), 0) }, weight_map };
  writeWhole(join(folder, "model.safetensors.index.json"), `${JSON.stringify(index, null, 2)}\n`);
}

const bytesOf = ({ shape }: Named): number => shape.reduce((a, b) => a * b, 4);

/** Weights in their order, as many in a shard as fit. */
function divide(weights: readonly Named[], limit: number): Named[][] {
  const shards: Named[][] = [];
  let room = 0;
  for (const weight of weights) {
    const bytes = bytesOf(weight);
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = limit;
    }
    shards.at(-1)!.push(weight);
    room -= bytes;
  }
  return shards;
}
