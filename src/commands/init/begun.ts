/** @file What all beginnings have in common. */

import { join, relative, resolve, sep } from "node:path";
import { packageFolder } from "../../core/package.ts";
import type { Problem, Split } from "../../data/generators/generator.ts";
import { stories } from "../../data/generators/index.ts";

/** A recipe without its name, the files that it reads by theirs, and what its user should know first. */
export type Begun = { recipe: string; files: Record<string, string>; begin: string };

/** A real student to begin with: small enough to be trained without a GPU. */
export const STUDENT = "hf:HuggingFaceTB/SmolLM2-135M-Instruct";

/** A file of this package, from the folder where the command runs; the whole path where the package is somewhere else. */
export function packaged(path: string): string {
  const root = packageFolder();
  const modules = root.lastIndexOf(`${sep}node_modules${sep}`);
  const home = modules === -1 ? root : root.slice(0, modules);
  const here = resolve();
  const inside = here === home || here.startsWith(home + sep);
  const found = join(root, path);
  return inside ? relative(here, found).split(sep).join("/") : found;
}

/** A text as a value in YAML, in quotes where it needs them. */
export const yaml = (text: string): string =>
  /^[A-Za-z0-9./][\w./:@~+-]*[\w/]$/.test(text) ? text : JSON.stringify(text);

/** Problems to try a recipe with, as lines of JSON with these of their keys. */
export function problems(split: Split, count: number, keys: readonly (keyof Problem)[]): string {
  const write = stories.create({ ...stories.options.parse({}), steps: [3, 5] })(split, 1);
  const lines: string[] = [];
  for (const problem of write) {
    if (lines.length === count) break;
    lines.push(`${JSON.stringify(Object.fromEntries(keys.map((key) => [key, problem[key]])))}\n`);
  }
  return lines.join("");
}

/** How the small student of this package is trained, which knows the words of the problems and little else. */
export const SMALL = `device: cpu                            # so small a model is fastest there
# 0.45 M parameters, to try it out; a real one is such as ${STUDENT}
student: { path: ${yaml(packaged("data/models/stories-base"))} }
trainer:
  type: sft
  max_length: 320
  per_device_train_batch_size: 4
  num_train_epochs: 6
  learning_rate: 1.0e-3
`;

/** How a model of the hub, or one's own, is trained. */
export const real = (student: string): string => `student: { path: ${yaml(student)} }
# lora: { r: 16, lora_alpha: 32 }      # an adapter in place of all weights
trainer:
  type: sft
  max_length: 1024                     # longer examples are left out
  gradient_accumulation_steps: 8
  num_train_epochs: 3
  learning_rate: 1.0e-4
`;

export const EXPORT = `export:
  - { type: gguf, types: [q8_0] }
`;

export const measured = (prompts: string, tokens: number): string => `evaluation:
  prompts: { path: ${yaml(prompts)} }
  max_completion_length: ${tokens}
`;
