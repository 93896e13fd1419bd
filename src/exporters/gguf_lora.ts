/** @file The adapter alone as GGUF: what llama.cpp's --lora puts beside a GGUF file of the model that it was trained on. */

import { statSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { writeWholeFrom } from "../core/files.ts";
import { encodeGgml } from "../formats/ggml.ts";
import { float32, type GgufTensor, type MetadataValue, string, writeGguf } from "../formats/gguf.ts";
import { modelFor, readAdapter } from "../models/adapter-folder.ts";
import { movesBase } from "../models/adapter-init.ts";
import { loadAdapter } from "../models/adapter-weights.ts";
import { arrangeWeight, type GgufName } from "../models/gguf.ts";
import { createModel, ggufLayout, readConfig } from "../models/load.ts";
import { type Adapter, loraNames } from "../models/lora.ts";
import { defineExporter, type Source } from "./exporter.ts";

export const gguf_lora = defineExporter({
  usage: ([file], repository) =>
    `llama.cpp, beside a file of the model that it was trained on:\n\n\`\`\`sh\nllama-cli -m BASE.gguf --lora ${basename(file!.path)} # of ${repository}\n\`\`\``,
  options: z
    .object({
      types: z
        .array(z.enum(["f16", "f32"]))
        .min(1)
        .default(["f16"])
        .describe("A file adapter-<type>.gguf for each."),
    })
    .describe("The adapter alone as GGUF, for llama.cpp's --lora."),
  create:
    ({ types }) =>
    async ({ adapter, name }, output) => {
      const { folder, base } = requireAdapter(adapter);
      const source = join(base, "config.json");
      const config = readConfig(base);
      const stored = readAdapter(folder);
      const model = modelFor(stored, () => createModel(config, source, { lora: stored.options })).adapter!;
      requirePlain(folder, model, stored.beside.size);
      const { architecture, tensors: names } = ggufLayout(config, source);
      const written = tensorsOf(folder, model, new Map(names.map((tensor) => [tensor.name, tensor])));
      const metadata = new Map<string, MetadataValue>([
        ["general.type", string("adapter")],
        ["general.architecture", string(architecture)],
        ...(name ? [["general.name", string(name)] as const] : []),
        ["adapter.type", string("lora")],
        ["adapter.lora.alpha", float32(stored.options.lora_alpha)],
      ]);
      const exported = [];
      for (const type of new Set(types)) {
        const path = join(output, `adapter-${type}.gguf`);
        const wanted = type === "f16" ? "F16" : "F32";
        const tensors = written.map(({ data: _, ...tensor }): GgufTensor => ({ ...tensor, type: wanted }));
        await writeWholeFrom(
          path,
          writeGguf(metadata, tensors, (i) => encodeGgml(wanted, written[i]!.data)),
        );
        exported.push({ name: `gguf_lora-${type}`, path, bytes: statSync(path).size, base });
      }
      return exported;
    },
});

function requireAdapter(adapter: Source["adapter"]): NonNullable<Source["adapter"]> {
  if (adapter) return adapter;
  throw new DistillError(
    "export: gguf_lora writes an adapter, and there is none to a model in a folder or a file. Train one with lora, or export gguf.",
  );
}

/** llama.cpp adds s B A to matrices that it has, and knows nothing else of adapters. */
function requirePlain(folder: string, { options, saved }: Adapter, beside: number): void {
  const refuse = (why: string): never => {
    throw new DistillError(
      `The adapter ${folder} has no equal in llama.cpp: ${why}. Export gguf, which has it merged.`,
    );
  };
  if (options.use_dora) refuse("it is DoRA's");
  if (saved.length > 0 || beside > 0) refuse("it holds weights of the model itself (modules_to_save)");
  if (movesBase(options.init_lora_weights))
    refuse(`${options.init_lora_weights} takes what it begins with from the model`);
}

/** A and B of each target. llama.cpp scales by alpha / r of each; what a target's scaling is beyond that goes into its B. */
function tensorsOf(folder: string, adapter: Adapter, names: ReadonlyMap<string, GgufName>) {
  const weights = new Map([...loadAdapter(folder, adapter)].map(({ name, data }) => [name, data]));
  return [...adapter.targets].flatMap(([module, { r, out, in: width, scaling }]) => {
    const [a, b] = loraNames(module).map((name) => weights.get(name)!);
    const { interleavedHeads, gguf } = names.get(`${module}.weight`)!;
    const factor = scaling / (adapter.options.lora_alpha / r);
    const rows = arrangeWeight(b!, { name: module, gguf, ...(interleavedHeads ? { interleavedHeads } : {}) }, out);
    return [
      { name: `${gguf}.lora_a`, shape: [r, width], data: a! },
      { name: `${gguf}.lora_b`, shape: [out, r], data: factor === 1 ? rows : rows.map((x) => x * factor) },
    ];
  });
}
