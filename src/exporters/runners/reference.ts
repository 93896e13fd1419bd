import { join } from "node:path";
import { batchShape, layOut } from "../../data/batch.ts";
import { requireFinite } from "../../generation/finite.ts";
import { tokenFeeds, tokenInputs } from "../../generation/tokens.ts";
import { createModel, loadWeights, readConfig } from "../../models/load.ts";
import { linear } from "../../nn/linear.ts";
import { type DeviceName, openDevice, type Program } from "../../runtime/device.ts";
import { tensor } from "../../runtime/tensor.ts";
import type { Runner } from "./runner.ts";

/** Programs are compiled for multiples of this many tokens. */
const STEP = 32;

/** The trained weights of an HF folder in the forward pass that trained them. */
export async function openReferenceRunner(folder: string, deviceName: DeviceName = "cpu"): Promise<Runner> {
  const model = createModel(readConfig(folder), join(folder, "config.json"));
  const vocab_size = model.head.shape[0] as number;
  const device = await openDevice(deviceName);
  try {
    for (const { name, shape, data } of loadWeights(folder, model))
      await device.write(name, tensor("float32", shape, data));
  } catch (error) {
    await device.close();
    throw error;
  }
  const programs = new Map<number, Program>();
  return {
    async logits(tokens) {
      const shape = batchShape(1, Math.ceil(tokens.length / STEP) * STEP, vocab_size);
      const program =
        programs.get(shape.length) ??
        (await device.compile({ logits: linear(model.hidden(tokenInputs(shape)), model.head) }));
      programs.set(shape.length, program);
      const { logits } = await program.run(tokenFeeds(layOut([[{ tokens, supervised: [] }]], shape)));
      return requireFinite(folder, (logits!.data as Float32Array).slice(0, tokens.length * vocab_size), vocab_size);
    },
    close: () => device.close(),
  };
}
