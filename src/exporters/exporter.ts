/** @file What an exporter is: it turns a finished model into files that a runtime at the edge loads. */

import type { z } from "zod";
import type { Component } from "../core/component.ts";
import type { Importance, ImportanceOptions } from "./gguf/importance.ts";

/** A model as Hugging Face lays it out: config.json, safetensors and the tokenizer's files. */
export type Source = {
  folder: string;
  /** What the model is called; the folder's name unless given. */
  name?: string;
  /** The model that it was trained from, as the hub has it: owner/name. */
  base?: string;
  /** The adapter that was trained, as PEFT lays it out, and the model that it is beside. */
  adapter?: { folder: string; base: string };
  /** The importance matrix that options ask for; must be there where an export has such. */
  importance?: (options: ImportanceOptions) => Promise<Importance>;
};

export type Exported = {
  /** Format and precision, such as "gguf-q8_0" or "onnx-q8". */
  name: string;
  /** The file or the folder to load. */
  path: string;
  bytes: number;
  /** The export whose weights it has too, where it has another name: its limit at the gate, and measured once for both. */
  same_as?: string;
  /** The folder of the model that a file needs beside it; others are whole. */
  base?: string;
  /** What the importance matrix is of by which it was rounded, in words. */
  importance_matrix?: string;
  /** What is not as the name says, a sentence each. */
  notes?: readonly string[];
};

/** Writes into the folder `output`; each file whole or not at all. */
export type Exporter = (source: Source, output: string) => Promise<Exported[]>;

/** What runs the files that were written, as Markdown for the model's card; `repository` is where they lie, as owner/name. */
export type Usage = (files: readonly { name: string; path: string }[], repository: string) => string;

// biome-ignore lint/suspicious/noExplicitAny: each component checks its own options.
export type ExporterComponent<Options extends z.ZodObject = any> = Component<Options, Exporter> & {
  usage: Usage;
  /** The folder of a repository where its files lie, with a slash behind it; the top unless given. */
  place?: string;
};

export const defineExporter = <Options extends z.ZodObject>(exporter: ExporterComponent<Options>) => exporter;
