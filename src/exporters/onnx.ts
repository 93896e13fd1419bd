/** @file ONNX files in the layout that transformers.js loads: decoders with a cache of keys and values. */

import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { emitModel } from "../compiler/emit.ts";
import { targets } from "../compiler/targets.ts";
import { DistillError } from "../core/errors.ts";
import { writeFolder, writeWhole } from "../core/files.ts";
import { readJson } from "../core/reading.ts";
import { asPython } from "../data/python-pre-tokenizer.ts";
import { eosTokenId, loadTokenizer } from "../data/tokenizer.ts";
import { createModel, loadWeights, type ModelConfig, readConfig } from "../models/load.ts";
import { defineExporter, type Exported } from "./exporter.ts";
import { decoderOf } from "./onnx/decoder.ts";
import { computedIn, DTYPES, type ExportDtype, type Stored, store } from "./onnx/storage.ts";
import { writeOnnx } from "./onnx/write.ts";

/** What transformers.js appends to "model" for each of its dtypes. */
export const FILES: Record<ExportDtype, string> = {
  fp32: "model.onnx",
  fp16: "model_fp16.onnx",
  q8: "model_quantized.onnx",
  q4: "model_q4.onnx",
  q4f16: "model_q4f16.onnx",
};

/**
 * What files are written with for transformers.js from a version on: its ONNX Runtime before 1.22 has products of 4 bits
 * alone, and it gave no num_logits_to_keep before version 4.
 */
const SINCE = { 3: { bytes: "4+4", keeps: false }, 4: { bytes: "8", keeps: true } } as const;

export const onnx = defineExporter({
  usage: ([file], repository) =>
    `transformers.js, in Node and in browsers:\n\n\`\`\`js\nimport { pipeline } from "@huggingface/transformers";\nconst generator = await pipeline("text-generation", "${repository}", { dtype: "${file!.name.replace("onnx-", "")}" });\nconsole.log(await generator([{ role: "user", content: "…" }], { max_new_tokens: 512 }));\n\`\`\``,
  options: z
    .object({
      dtypes: z
        .array(z.enum(DTYPES))
        .min(1)
        .default(["fp32", "q8", "q4"])
        .describe("A file for each, under the names of transformers.js."),
      max_file_bytes: z
        .int()
        .positive()
        .max(2 ** 31 - 1)
        .default(1_900_000_000)
        .describe("The most bytes of a file: browsers and protobuf stop at 2 GiB."),
      transformers_js: z
        .literal([3, 4])
        .default(3)
        .describe(
          "The oldest transformers.js that is to run the files: 3, with ONNX Runtime 1.20; or 4, with 1.22, where prompts are read faster.",
        ),
    })
    .describe("ONNX files in the layout that transformers.js loads."),
  create:
    ({ dtypes, max_file_bytes, transformers_js }) =>
    async ({ folder }, output) => {
      const config = readConfig(folder);
      const tokenizer = tokenizerFiles(folder, config);
      refuseForeign(output, folder);
      const exported: Exported[] = [];
      await writeFolder(output, async (temporary) => {
        const dataFiles: Record<string, number> = {};
        for (const dtype of new Set(dtypes)) {
          const file = FILES[dtype];
          const { files, bytes } = await writeModel(
            folder,
            config,
            dtype,
            join(temporary, "onnx", file),
            max_file_bytes,
            transformers_js,
          );
          if (files > 0) dataFiles[file] = files;
          exported.push({ name: `onnx-${dtype}`, path: join(output, "onnx", file), bytes });
        }
        const json = (name: string, value: unknown) =>
          writeWhole(join(temporary, name), `${JSON.stringify(value, null, 2)}\n`);
        json("config.json", { ...config, "transformers.js_config": settings(dtypes, dataFiles) });
        for (const [name, value] of Object.entries(tokenizer)) json(name, value);
        rmSync(output, { recursive: true, force: true }); // an earlier export, now that the new one is whole
      });
      return exported;
    },
});

/** Write the decoder with its weights in `dtype`. */
function writeModel(
  folder: string,
  config: ModelConfig,
  dtype: ExportDtype,
  path: string,
  limit: number,
  transformers_js: keyof typeof SINCE,
) {
  const { bytes, keeps } = SINCE[transformers_js];
  const type = computedIn(dtype);
  const model = createModel(config, join(folder, "config.json"), { dtype: type });
  const decoder = decoderOf(model, type, { keeps });
  const names = Object.keys(decoder.outputs);
  const { outputs, stored } = store(Object.values(decoder.outputs), model, dtype, bytes);
  const emitted = emitModel(Object.fromEntries(outputs.map((value, i) => [names[i]!, value])), targets.portable);
  const input = decoder.inputs.map(({ name }) => emitted.input.find((info) => info.name === name)!);
  function* contents() {
    const weights = new Map<string, Stored>(stored.map((weight) => [weight.weight, weight]));
    for (const { name, data } of loadWeights(folder, model)) yield* weights.get(name)!.encode(data);
  }
  const tensors = stored.flatMap(({ tensors }) => tensors);
  return writeOnnx(path, { ...emitted, input }, tensors, contents(), limit);
}

/**
 * What transformers.js must know before it loads a file: which are split, which to take where its defaults are missing, and
 * what their caches are in.
 */
function settings(dtypes: readonly ExportDtype[], dataFiles: Record<string, number>): object {
  const defaults = dtypes.includes("fp32") && dtypes.includes("q8");
  const halves = DTYPES.filter((dtype) => dtypes.includes(dtype) && computedIn(dtype) === "float16");
  const split = Object.values(FILES).filter((file) => dataFiles[file]);
  return {
    ...(defaults ? {} : { dtype: dtypes[0] }),
    // before 4.1 it does not ask the file in what the cache is
    ...(halves.length > 0
      ? { kv_cache_dtype: Object.fromEntries(halves.map((dtype) => [dtype, computedIn(dtype)])) }
      : {}),
    ...(split.length > 0
      ? { use_external_data_format: Object.fromEntries(split.map((file) => [file, dataFiles[file]])) }
      : {}),
  };
}

/** The files beside the model. transformers.js reads the chat template in tokenizer_config.json and nowhere else. */
function tokenizerFiles(folder: string, config: ModelConfig): Record<string, unknown> {
  const tokenizer = loadTokenizer(folder);
  const { size } = tokenizer;
  if (size > (config.vocab_size as number))
    throw new DistillError(
      `The tokenizer in ${folder} has ${size} tokens, and the model a vocab_size of ${config.vocab_size}. Give the tokenizer that the model was trained with.`,
    );
  const read = (name: string) => readJson(join(folder, name), `The model's ${name}`) as Record<string, unknown>;
  const generation = join(folder, "generation_config.json");
  const json = read("tokenizer.json");
  return {
    // cut as the student's training cut: transformers.js reads Digits and ByteLevel otherwise than Python does
    "tokenizer.json": { ...json, ...("pre_tokenizer" in json ? { pre_tokenizer: asPython(json.pre_tokenizer) } : {}) },
    "tokenizer_config.json": {
      ...read("tokenizer_config.json"),
      ...(tokenizer.template === undefined ? {} : { chat_template: tokenizer.template }),
      padding_side: "left", // padding behind a prompt would stand between it and its continuation
    },
    "generation_config.json": {
      // transformers.js ends a text after 20 tokens where nothing is said
      ...(config.max_position_embeddings ? { max_length: config.max_position_embeddings } : {}),
      ...(existsSync(generation) ? read("generation_config.json") : { eos_token_id: eosTokenId(tokenizer) }),
    },
  };
}

/** An export replaces an earlier one and nothing else. */
function refuseForeign(output: string, source: string): void {
  if (resolve(output) === resolve(source))
    throw new DistillError(`The export would replace the model that it is made of, ${source}. Give another folder.`);
  const known = ["config.json", "generation_config.json", "onnx", "tokenizer.json", "tokenizer_config.json"];
  const foreign = existsSync(output) ? readdirSync(output).filter((name) => !known.includes(name)) : [];
  if (foreign.length > 0)
    throw new DistillError(
      `${output} holds ${foreign[0]}, which is no part of an export. Give an empty or a new folder.`,
    );
}
