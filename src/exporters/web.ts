/** @file A folder that any web server serves: a page to talk with the student in the browser, and all that it loads. */

import { copyFileSync, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { makeFolder, writeWhole } from "../core/files.ts";
import { tokens } from "../core/sizes.ts";
import { loadTokenizer } from "../data/tokenizer.ts";
import { defineExporter } from "./exporter.ts";
import { DTYPES } from "./onnx/storage.ts";
import { onnx } from "./onnx.ts";
import { pageHtml } from "./web/page.ts";
import { CHAT, WORKER } from "./web/scripts.ts";

export const web = defineExporter({
  place: "web/",
  usage: (_, repository) =>
    `In a browser, served from your own machine:\n\n\`\`\`sh\nhf download ${repository} --include "web/*" --local-dir .\npython3 -m http.server --directory web\n\`\`\``,
  options: z
    .object({
      dtypes: z
        .array(z.enum(DTYPES))
        .min(1)
        .default(["q4f16", "q8"])
        .describe("ONNX files that the page chooses from: q4f16 or q4 for WebGPU, q8 where there is none."),
      title: z.string().min(1).optional().describe("What the page is called; the run's folder unless given."),
      system: z.string().min(1).optional().describe("A system message for every conversation."),
      max_new_tokens: tokens.default(2048).describe("The most tokens of an answer."),
    })
    .describe("A page to talk with the student in the browser, on WebGPU or WebAssembly, which any web server serves."),
  create:
    ({ dtypes, title, system, max_new_tokens }) =>
    async (source, output) => {
      if (loadTokenizer(source.folder).template === undefined)
        throw new DistillError(
          "The student has no chat template, and the page asks through one. Give the recipe chat_template.",
        );
      const files = await onnx.create({ dtypes, max_file_bytes: 1_900_000_000, transformers_js: 4 })(
        source,
        join(output, "model"),
      );
      const settings = { title: title ?? basename(dirname(resolve(source.folder))), dtypes, system, max_new_tokens };
      writeWhole(join(output, "index.html"), pageHtml(settings));
      writeWhole(join(output, "chat.js"), CHAT);
      writeWhole(join(output, "worker.js"), WORKER);
      makeFolder(join(output, "transformers"));
      for (const path of runtimeFiles()) copyFileSync(path, join(output, "transformers", basename(path)));
      return files.map(({ name, ...file }) => ({ ...file, name: name.replace("onnx", "web"), same_as: name }));
    },
});

/** transformers.js as one module, and the build of ONNX Runtime that it loads. */
function runtimeFiles(): string[] {
  const transformers = createRequire(import.meta.url).resolve("@huggingface/transformers");
  const ort = dirname(createRequire(transformers).resolve("onnxruntime-web"));
  const files = [
    join(dirname(transformers), "transformers.min.js"),
    ...["mjs", "wasm"].map((kind) => join(ort, `ort-wasm-simd-threaded.asyncify.${kind}`)),
  ];
  const missing = files.find((path) => !existsSync(path));
  if (missing) throw new DistillError(`${missing} is not there, and the page needs it. Install the package again.`);
  return files;
}
