/** @file What a GGUF file says of its model, without llama.cpp. */

import { DistillError } from "../../core/errors.ts";
import type { Metadata } from "../../formats/gguf.ts";
import { openGguf } from "../../formats/gguf-reader.ts";
import { openGgufModel } from "../../formats/gguf-split.ts";
import { configFromGguf, weightsFromGguf } from "../../models/from-gguf.ts";
import type { TeacherModel } from "../teacher.ts";
import { vocabularyOf } from "./vocabulary.ts";

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
  const { metadata, close } = openGgufModel(path);
  close();
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
  const file = openGgufModel(path);
  try {
    return {
      config: configFromGguf(file, path),
      source: path,
      *weights() {
        const opened = openGgufModel(path);
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
