/** @file What a GGUF file says of its model, without llama.cpp. */

import { DistillError } from "../../core/errors.ts";
import type { Metadata } from "../../formats/gguf.ts";
import { openGguf } from "../../formats/gguf-reader.ts";
import { configFromGguf, weightsFromGguf } from "../../models/from-gguf.ts";
import type { TeacherModel } from "../teacher.ts";
import { vocabularyOf } from "./vocabulary.ts";

/** The other files of a model in several, which llama.cpp finds by their names. */
export function pieces(name: string, names: readonly string[]): string[] {
  const [, stem, count] = /^(.*)-\d{5}-of-(\d{5})\.gguf$/.exec(name) ?? [];
  if (stem === undefined) return [];
  const isPiece = (other: string) =>
    other.startsWith(`${stem}-`) && other.slice(stem.length).match(PIECE)?.[1] === count;
  return names.filter((other) => other !== name && isPiece(other));
}

const PIECE = /^-\d{5}-of-(\d{5})\.gguf$/;

/** Its chat template, where it has one. */
export function ownTemplate(metadata: Metadata): string | undefined {
  const own = metadata.get("tokenizer.chat_template");
  return own?.type === "string" ? own.value : undefined;
}

/** Tokens that the model was made to read, where the file says so. */
export function contextOf(metadata: Metadata): number | undefined {
  const architecture = metadata.get("general.architecture")?.value;
  const length = metadata.get(`${architecture}.context_length`)?.value;
  return typeof length === "number" && length > 0 ? length : undefined;
}

/** What the file says of itself. */
export function metadataOf(path: string): Metadata {
  const { metadata, close } = openGguf(path);
  close();
  return metadata;
}

/** What the file says of itself, once it is known that it can be loaded: llama.cpp ends the process over some broken files. */
export function readMetadata(path: string): Metadata {
  const metadata = metadataOf(path);
  if (metadata.get("general.architecture")?.type !== "string")
    throw new DistillError(`${path} is a GGUF file without "general.architecture"; it is not a model.`);
  const tokens = metadata.get("tokenizer.ggml.tokens");
  if (tokens?.type !== "array" || tokens.of !== "string")
    throw new DistillError(`${path} has no vocabulary ("tokenizer.ggml.tokens"), so nothing can be asked of it.`);
  const texts = tokens.value.filter((text) => text !== "");
  if (new Set(texts).size !== texts.length)
    throw new DistillError(`${path} has the same token twice in its vocabulary, which llama.cpp does not survive.`);
  return metadata;
}

/** The model as ours, or why it is of no family that is. */
export function familyModel(path: string): TeacherModel | string {
  const file = openGguf(path);
  try {
    return {
      config: configFromGguf(file, path),
      source: path,
      *weights() {
        const opened = openGguf(path);
        try {
          yield* weightsFromGguf(opened, path);
        } finally {
          opened.close();
        }
      },
      vocabulary: () => vocabularyOf(file.metadata),
    };
  } catch (error) {
    if (error instanceof DistillError) return error.message;
    throw error;
  } finally {
    file.close();
  }
}
