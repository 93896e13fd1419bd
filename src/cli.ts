#!/usr/bin/env node
/** @file argv → command. The only file that prints an error or sets the exit code. */

import { Command, CommanderError } from "commander";
import { DistillError } from "./core/errors.ts";

/** Ctrl-C asks the command to stop at a good place; a second one stops it at once. */
const interrupt = new AbortController();
process.on("SIGINT", () => {
  if (interrupt.signal.aborted) process.exit(130);
  process.stderr.write("\nStopping after what is under way; Ctrl-C again stops at once.\n");
  interrupt.abort();
});

const program = new Command("distill")
  .description("Knowledge distillation on ONNX Runtime and llama.cpp.")
  .version("0.1.0")
  .exitOverride();

program
  .command("train")
  .description("Fine-tune the recipe's student on its dataset. Continues from the newest checkpoint of the same run.")
  .argument("<recipe>", "a recipe, YAML")
  .argument("[overrides...]", "key=value, such as trainer.learning_rate=1e-4")
  .action(async (recipe: string, overrides: string[]) => {
    const { train } = await import("./commands/train.ts");
    await train(recipe, overrides, interrupt.signal);
  });

program
  .command("eval")
  .description("Answer the recipe's test problems with the trained student, greedily, and count the exact answers.")
  .argument("<recipe>", "a recipe, YAML")
  .argument("[overrides...]", "key=value, such as evaluation.dataset.rows=100")
  .action(async (recipe: string, overrides: string[]) => {
    const { evaluate } = await import("./commands/eval.ts");
    await evaluate(recipe, overrides, interrupt.signal);
  });

try {
  await program.parseAsync();
  if (interrupt.signal.aborted) process.exitCode = 130;
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    console.error(error instanceof DistillError ? `Error: ${error.message}` : error);
    process.exitCode = interrupt.signal.aborted ? 130 : 1;
  }
}
