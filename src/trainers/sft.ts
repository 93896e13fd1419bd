/** @file Supervised fine-tuning: the next token of the completions of a dataset. */

import { epochs } from "./epochs.ts";
import { TrainerOptions } from "./options.ts";
import { nextToken } from "./supervised.ts";
import { defineTrainer } from "./trainer.ts";
import { ValidationOptions, validated } from "./validation.ts";

export const sft = defineTrainer({
  options: TrainerOptions.extend(ValidationOptions.shape).describe("The next token of given completions."),
  needs: "dataset",
  validates: true,
  create:
    (options) =>
    ({ device, model, segments, validation, signal }) => ({
      objective: nextToken,
      source: validated(
        epochs(device, model, segments!, options, (batch) => batch),
        validation,
        options,
        signal,
      ),
    }),
});
