import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inMemory } from "../../data/example-store.ts";
import type { Model } from "../../models/model.ts";
import { plainRunFolder } from "../../store/run-folder.ts";
import { trainedPart } from "../../student/trained.ts";
import { TrainerOptions } from "../options.ts";
import { sft } from "../sft.ts";
import { trainWith } from "../trainer.ts";
import { type Law, longest, type Subject, verdict } from "./law.ts";

const STEPS = 4;

/** A run of four steps, and one that goes on from the checkpoint of its second. */
export const resume: Law = {
  states: "a resumed run is the uninterrupted run, bit for bit",
  async check(subject) {
    const output = mkdtempSync(join(tmpdir(), "resume-"));
    try {
      const whole = await weightsAfter(subject, output);
      rmSync(join(output, "checkpoints", `step-${STEPS}`), { recursive: true });
      const resumed = await weightsAfter(subject, output);
      const different = [...whole].find(([name, data]) => !Buffer.from(data.buffer).equals(bytes(resumed.get(name)!)));
      return verdict(
        !different,
        different ? `${different[0]} differs after ${STEPS} steps` : `${STEPS} steps, stopped after ${STEPS / 2}`,
      );
    } finally {
      rmSync(output, { recursive: true, force: true });
    }
  },
};

const bytes = ({ buffer }: Float32Array) => Buffer.from(buffer);

/** The weights after the last step, from the newest checkpoint in `output` if there is one. */
async function weightsAfter(subject: Subject, output: string): Promise<Map<string, Float32Array>> {
  const { device, config, weights, segments } = subject;
  const model: Model = subject.model();
  const { beta1, beta2, epsilon, weight_decay, rematerialize } = subject.options;
  const options = TrainerOptions.parse({
    max_steps: STEPS,
    save_steps: STEPS / 2,
    learning_rate: 1e-3,
    max_length: longest(segments),
    gradient_accumulation_steps: 2,
    adam_beta1: beta1,
    adam_beta2: beta2,
    adam_epsilon: epsilon,
    weight_decay,
    gradient_checkpointing: rematerialize,
  });
  const trained = trainedPart(model, config);
  const folder = plainRunFolder(output);
  const run = { device, model, trained, weights, folder, fingerprint: "resume", silent: true };
  await trainWith(sft, options, run, { segments: inMemory(segments) });
  const after = new Map<string, Float32Array>();
  for (const { name } of model.parameters) after.set(name, (await device.read(name)).data as Float32Array);
  return after;
}
