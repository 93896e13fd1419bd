/** @file A backend that draws what a student answers between steps: its weights are written for it anew each time. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { componentOf, contentOf, create, oneOf } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import * as exporters from "../../exporters/index.ts";
import type { ModelConfig } from "../../models/load.ts";
import type { Model } from "../../models/model.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { Device } from "../../runtime/device.ts";
import * as teachers from "../../teachers/index.ts";
import type { TeacherComponent } from "../../teachers/teacher.ts";
import type { Backend } from "../../trainers/rollouts.ts";
import { writeStudent } from "./student-folder.ts";

/** A backend with all of its options. */
const Opened = oneOf(teachers);

/** Of each place so many likely tokens are asked for: what is drawn is nearly always one of them. */
const TOP = 20;

/** What a run hangs on of it: what is drawn, and not how many at a time. */
export const samplerInput = ({ type, ...options }: NonNullable<Recipe["sampler"]>) => ({
  ...contentOf(componentOf<TeacherComponent>(teachers, type, "teacher").options, { ...options, path: "" }),
  ...{ type, weights: options.weights, always: options.always },
});

export function samplerBackend(
  { type, weights, always, ...options }: NonNullable<Recipe["sampler"]>,
  device: Device,
  model: Model,
  student: { config: ModelConfig; tokenizer: Tokenizer },
): Backend {
  const { file, folder: opens } = componentOf<TeacherComponent>(teachers, type, "teacher");
  if (device.resident)
    throw new DistillError(
      `sampler: on ${device.name} the weights stay on the card. Leave it out, or set device to cpu.`,
    );
  if (!opens && file?.format !== "GGUF")
    throw new DistillError(`sampler.type: ${type} gives no log-probabilities. Expected one of: llama_cpp, engine.`);
  return {
    name: `${type}${opens ? "" : ` on ${weights}`}`,
    always,
    async *draw(requests, { max_completion_length, signal }) {
      const folder = mkdtempSync(join(tmpdir(), "distill-sampler-"));
      try {
        await writeStudent(device, model, student, folder);
        const written = opens
          ? folder
          : (
              await create(
                exporters,
                { type: "gguf", types: [weights] } as { type: string },
                "exporter",
              )({ folder }, folder)
            )[0]!.path;
        const teacher = await create(teachers, Opened.parse({ type, ...options, path: written }), "teacher");
        try {
          const sampling = {
            temperature: 1,
            top_p: 1,
            top_k: 0,
            min_p: 0,
            max_completion_length,
            stop: [],
            top_logprobs: TOP,
          };
          for await (const { index, generation, error } of teacher.generate(requests, {
            ...sampling,
            ...(signal ? { signal } : {}),
          })) {
            if (error !== undefined) throw new DistillError(`sampler: a prompt could not be continued: ${error}`);
            const { token_ids: tokens, top_logprobs, finish_reason } = generation;
            const logprobs = tokens.map((token, t) => {
              const place = top_logprobs?.[t];
              return place?.logprobs[place.ids.indexOf(token)];
            });
            yield { index, tokens, finish_reason: finish_reason === "stop" ? "stop" : "length", logprobs };
          }
        } finally {
          await teacher.close();
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}
