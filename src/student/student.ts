/** @file The student that a recipe names: its config and its tokenizer. No weights are read. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { architectureOf, type ModelConfig, readConfig } from "../models/load.ts";
import type { StudentSections } from "./options.ts";

export type OpenedStudent = {
  config: ModelConfig;
  tokenizer: Tokenizer;
  /** Names the config in errors. */
  source: string;
};

/** The student's config and tokenizer; one in a GGUF file is unpacked before. */
export function openStudent({ student, tokenizer }: Pick<StudentSections, "student" | "tokenizer">): OpenedStudent {
  if ("path" in student) {
    if (!existsSync(student.path))
      throw new DistillError(
        `Student not found: ${student.path}. Expected an HF folder with config.json and safetensors.`,
      );
    return {
      config: readConfig(student.path),
      tokenizer: loadTokenizer(tokenizer ?? student.path),
      source: join(student.path, "config.json"),
    };
  }
  if (!tokenizer)
    throw new DistillError(
      "The recipe makes a new student and names no tokenizer. Give tokenizer: a folder with tokenizer.json.",
    );
  const opened = loadTokenizer(tokenizer);
  const config: ModelConfig = {
    architectures: [architectureOf(student.config, "The recipe's student.config")],
    vocab_size: opened.size,
    eos_token_id: opened.eos,
    ...student.config,
  };
  return { config, tokenizer: opened, source: "The recipe's student.config" };
}
