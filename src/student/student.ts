/** @file The student that a recipe names: its config and its tokenizer. No weights are read. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { architectureOf, type ModelConfig, readConfig } from "../models/load.ts";
import type { StudentSections } from "./options.ts";
import { formatOf, packedTokenizer } from "./packed/format.ts";

type Named = Pick<StudentSections, "student" | "tokenizer" | "chat_template" | "chat_template_kwargs">;

export type OpenedStudent = {
  config: ModelConfig;
  tokenizer: Tokenizer;
  /** Names the config in errors. */
  source: string;
};

/** The student's config and tokenizer; one in a single file is unpacked before. */
export function openStudent({ student, tokenizer, ...rendering }: Named): OpenedStudent {
  if ("path" in student) {
    if (!existsSync(student.path))
      throw new DistillError(
        `Student not found: ${student.path}. Expected an HF folder with config.json and safetensors.`,
      );
    requireModel(student.path, student.adapter);
    return {
      config: readConfig(student.path),
      tokenizer: loadTokenizer(tokenizer ?? student.path, undefined, rendering),
      source: join(student.path, "config.json"),
    };
  }
  if (!tokenizer)
    throw new DistillError(
      "The recipe makes a new student and names no tokenizer. Give tokenizer: a folder with tokenizer.json.",
    );
  const opened = loadTokenizer(tokenizer, undefined, rendering);
  const config: ModelConfig = {
    architectures: [architectureOf(student.config, "The recipe's student.config")],
    vocab_size: opened.size,
    eos_token_id: opened.eos,
    ...student.config,
  };
  return { config, tokenizer: opened, source: "The recipe's student.config" };
}

/** Throw where a folder is another thing than a model. */
function requireModel(path: string, adapter: string | undefined): void {
  const has = (name: string) => existsSync(join(path, name));
  if (has("adapter_config.json") && adapter === undefined)
    throw new DistillError(
      `${path} holds an adapter${has("config.json") ? " beside a model" : " and no model"}. Give it as student.adapter, and as student.path the model that it is of.`,
    );
  if (!has("config.json") && has("manifest.json"))
    throw new DistillError(`${path} is the folder of a run. Give what it trained, ${join(path, "student")}.`);
}

/** Its tokenizer alone, also of a student that is still in a single file, and the folder or the file that holds it. */
export function studentTokenizer(named: Named): { tokenizer: Tokenizer; place: string } {
  const { student } = named;
  const format = "path" in student ? formatOf(student.path) : undefined;
  if (named.tokenizer || !("path" in student) || !format) {
    const tokenizer = named.tokenizer ? loadTokenizer(named.tokenizer, undefined, named) : openStudent(named).tokenizer;
    return { tokenizer, place: tokenizer.folder };
  }
  if (!existsSync(student.path)) throw new DistillError(`Student not found: ${student.path}.`);
  return { tokenizer: packedTokenizer(format, student.path, named), place: student.path };
}
