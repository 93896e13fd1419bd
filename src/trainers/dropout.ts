import { seededRandom } from "../core/random.ts";
import type { BatchShape } from "../data/batch.ts";
import { type Adapter, maskName } from "../models/lora.ts";
import { type Tensor, tensor } from "../runtime/tensor.ts";

/** The elements of each adapted layer's input that dropout keeps in one batch, the same for the same seed: bool [tokens, in]. */
export function dropoutMasks(adapter: Adapter | undefined, shape: BatchShape, seed: number): Record<string, Tensor> {
  if (!adapter || adapter.keep === 1) return {};
  const random = seededRandom(seed);
  const limit = Math.round(adapter.keep * 0x10000);
  const tokens = shape.rows * shape.length;
  const masks: Record<string, Tensor> = {};
  for (const [module, sizes] of adapter.targets) {
    const mask = new Uint8Array(tokens * sizes.in);
    for (let i = 0; i < mask.length; i += 2) {
      const bits = random.bits(); // two elements, 16 bits each
      mask[i] = (bits & 0xffff) < limit ? 1 : 0;
      mask[i + 1] = bits >>> 16 < limit ? 1 : 0;
    }
    masks[maskName(module)] = tensor("bool", [tokens, sizes.in], mask);
  }
  return masks;
}
