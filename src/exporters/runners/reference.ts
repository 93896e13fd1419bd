import { join } from "node:path";
import { greedyCompletions } from "../../generation/greedy.ts";
import { openLogits } from "../../generation/logits.ts";
import { createModel, loadWeights, readConfig } from "../../models/load.ts";
import { type DeviceName, openDevice } from "../../runtime/device.ts";
import { tensor } from "../../runtime/tensor.ts";
import type { ReferenceRunner } from "./runner.ts";

/** The trained weights of an HF folder, in the forward pass that trained them. */
export async function openReferenceRunner(folder: string, deviceName: DeviceName = "cpu"): Promise<ReferenceRunner> {
  const model = createModel(readConfig(folder), join(folder, "config.json"));
  const device = await openDevice(deviceName);
  try {
    for (const { name, shape, data } of loadWeights(folder, model))
      await device.write(name, tensor("float32", shape, data));
  } catch (error) {
    await device.close();
    throw error;
  }
  const { logits } = openLogits(device, model, folder);
  return {
    logits: async (tokens, from = 0) => {
      const all = await logits(tokens);
      return all.subarray((from * all.length) / tokens.length);
    },
    async continueGreedily(prompts, options) {
      const found = prompts.map((): Float32Array[] => []);
      const proceed = device.heed(options.signal);
      const completions = await greedyCompletions(device, model, prompts, {
        ...options,
        source: folder,
        onDistribution: (i, probabilities) => found[i]!.push(probabilities.slice()),
      }).finally(proceed);
      return completions.map((completion, i) => ({ prompt: prompts[i]!, completion, probabilities: found[i]! }));
    },
    close: () => device.close(),
  };
}
