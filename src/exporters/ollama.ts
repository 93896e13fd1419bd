/** @file A GGUF file and the Modelfile with which Ollama makes a model of it: `ollama create NAME -f Modelfile`. */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { writeWhole } from "../core/files.ts";
import { readJson } from "../core/reading.ts";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { readConfig } from "../models/load.ts";
import { defineExporter } from "./exporter.ts";
import { ImportanceOptions } from "./gguf/importance.ts";
import { GGUF_TYPES } from "./gguf/types.ts";
import { gguf } from "./gguf.ts";
import { type Command, writeModelfile } from "./ollama/modelfile.ts";
import { ollamaTemplate } from "./ollama/template.ts";

export const ollama = defineExporter({
  place: "ollama/",
  usage: (_, repository) =>
    `Ollama:\n\n\`\`\`sh\nhf download ${repository} --include "ollama/*" --local-dir .\nollama create mine -f ollama/Modelfile && ollama run mine\n\`\`\``,
  options: z
    .object({
      type_of_weights: z.enum(GGUF_TYPES).default("q8_0").describe("The type of weights of the GGUF file."),
      importance_matrix: ImportanceOptions,
      system: z.string().min(1).optional().describe("A system message for every conversation that has none."),
      parameters: z
        .record(z.string().regex(/^\w+$/), z.union([z.number(), z.string(), z.boolean()]))
        .default({})
        .describe("Further parameters of Ollama, such as num_ctx; they go before the model's own."),
    })
    .describe("A GGUF file and a Modelfile for Ollama: template, stop texts, sampling."),
  create:
    ({ type_of_weights, importance_matrix, system, parameters }) =>
    async (source, output) => {
      const tokenizer = loadTokenizer(source.folder);
      const { template, notes } = ollamaTemplate(tokenizer);
      const [file] = await gguf.create({ types: [type_of_weights], importance_matrix })(source, output);
      const commands: Command[] = [
        { name: "from", value: `./${basename(file!.path)}` },
        { name: "template", value: template },
        ...(system ? [{ name: "system", value: system }] : []),
        ...parametersOf(source.folder, tokenizer, parameters),
      ];
      writeWhole(join(output, "Modelfile"), writeModelfile(commands));
      const said = [...(file!.notes ?? []), ...notes, ...beyond(source.folder, parameters.num_ctx)];
      const { name, notes: _, ...rest } = file!;
      return [
        { ...rest, name: `ollama-${type_of_weights}`, same_as: name, ...(said.length > 0 ? { notes: said } : {}) },
      ];
    },
});

/** A sentence where a context is longer than the texts that the model was made for. */
function beyond(folder: string, num_ctx: string | number | boolean | undefined): string[] {
  const { max_position_embeddings: made } = readConfig(folder);
  if (typeof made !== "number" || num_ctx === undefined || !(Number(num_ctx) > made)) return [];
  return [
    `num_ctx is ${num_ctx}, and the student was made for texts of at most ${made} tokens: what it says beyond them is hardly ever good.`,
  ];
}

/** What generation_config.json says of sampling, under Ollama's names. */
const SAMPLING: Record<string, string> = {
  temperature: "temperature",
  top_k: "top_k",
  top_p: "top_p",
  min_p: "min_p",
  repetition_penalty: "repeat_penalty",
};

function parametersOf(
  folder: string,
  tokenizer: Tokenizer,
  given: Record<string, string | number | boolean>,
): Command[] {
  const path = join(folder, "generation_config.json");
  const generation = existsSync(path) ? (readJson(path, "The model's generation_config.json") as object) : {};
  const { max_position_embeddings: length } = readConfig(folder);
  const own = new Map<string, string | number | boolean>();
  if (typeof length === "number") own.set("num_ctx", Math.min(length, 8192)); // memory grows with it
  for (const [key, value] of Object.entries(generation))
    if (key in SAMPLING && typeof value === "number") own.set(SAMPLING[key]!, value);
  if ((generation as { do_sample?: boolean }).do_sample === false) own.set("temperature", 0);
  for (const [key, value] of Object.entries(given)) own.set(key, value);
  return [
    ...[...own].map(([name, value]) => ({ name, value: String(value), parameter: true })),
    ...tokenizer.stops.map((id) => ({ name: "stop", value: tokenizer.token(id), parameter: true })),
  ];
}
