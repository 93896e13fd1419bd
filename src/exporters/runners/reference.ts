import { join } from "node:path";
import { openLogits } from "../../generation/logits.ts";
import { openSampler } from "../../generation/sampler.ts";
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
    logits,
    async continueGreedily(prompts, { stops, max_completion_length }) {
      const sampler = openSampler(device, model, { stops, source: folder });
      const requests = prompts.map((tokens) => ({ tokens, seed: 0 }));
      const completions: number[][] = [];
      for await (const { index, tokens } of sampler.generate(requests, { temperature: 0, max_completion_length }))
        completions[index] = tokens;
      await sampler.close();
      return completions;
    },
    close: () => device.close(),
  };
}
