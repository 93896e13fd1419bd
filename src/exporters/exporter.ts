import type { z } from "zod";
import type { Component } from "../core/component.ts";

export type Source = { folder: string /* HF folder: config.json, safetensors, tokenizer files */ };

export type Exported = {
  name: string /* e.g. "gguf-q8_0", "onnx-q8" */;
  path: string /* file or folder to load */;
  bytes: number;
};

export type Exporter = (source: Source, output: string /* folder to write into */) => Promise<Exported[]>;

export const defineExporter = <O extends z.ZodObject>(e: Component<O, Exporter>) => e;
