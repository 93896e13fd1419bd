/** @file Supervised fine-tuning: the next token of the completions of a dataset. */

import { epochs } from "./epochs.ts";
import { TrainerOptions } from "./options.ts";
import { nextToken } from "./supervised.ts";
import { defineTrainer } from "./trainer.ts";

export const sft = defineTrainer({
  options: TrainerOptions.describe("The next token of given completions."),
  needs: "dataset",
  create:
    (options) =>
    ({ device, model, segments }) => ({
      objective: nextToken,
      source: epochs(device, model, segments!, options, (batch) => batch),
    }),
});
