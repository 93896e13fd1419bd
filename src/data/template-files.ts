/** @file The chat template of a tokenizer folder, in the order in which transformers looks for it. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { readText, UNTRUSTED_BYTES } from "../core/reading.ts";

export const TEMPLATE_FILE = "chat_template.jinja";
/** Where transformers keeps templates of other names beside it. */
const ADDITIONAL = "additional_chat_templates";

/** What tokenizer_config.json may say: one template, or several by their names. */
export const ConfiguredTemplate = z
  .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() })).min(1)], {
    error: "expected a Jinja text, or a list of { name, template }",
  })
  .nullish()
  .transform((given) => (given === "" ? undefined : given));

const [DEFAULT, TOOL_USE] = ["default", "tool_use"];

/**
 * The file where there is one, else what the config says. Of named templates it is the default one, and with tools the one
 * that is called tool_use, both in one text.
 */
export function templateIn(folder: string, configured: z.output<typeof ConfiguredTemplate>): string | undefined {
  const path = join(folder, TEMPLATE_FILE);
  if (existsSync(path)) return either(readTemplate(path), readTemplate(join(folder, ADDITIONAL, `${TOOL_USE}.jinja`)));
  if (!Array.isArray(configured)) return configured ?? undefined;
  const named = (name: string) => configured.find((one) => one.name === name)?.template;
  const [plain, withTools] = [named(DEFAULT!), named(TOOL_USE!)];
  if (plain === undefined)
    throw new DistillError(
      `${join(folder, "tokenizer_config.json")} has the chat templates ${configured.map(({ name }) => name).join(", ")}, and none called ${DEFAULT}. Put the one that is meant into ${path}.`,
    );
  return either(plain, withTools);
}

const readTemplate = (path: string): string | undefined =>
  existsSync(path) ? readText(path, "The chat template", UNTRUSTED_BYTES) : undefined;

/** One text of a template and of the one that is taken with tools, if there is one. */
const either = (plain: string | undefined, withTools: string | undefined): string | undefined =>
  withTools === undefined ? plain : `{%- if tools %}${withTools}{%- else %}${plain}{%- endif %}`;

/** A value that a template can be given by a recipe. */
export const TemplateVariable = z.union([
  z.boolean(),
  z
    .number()
    .refine((value) => /^-?\d+(\.\d+)?$/.test(String(value)), "a number that can be written without an exponent"),
  z.string().regex(/^[^\\\p{Cc}]*$/u, "give a text on one line, without a backslash"),
  z.null(),
]);
export type TemplateVariables = Readonly<Record<string, z.output<typeof TemplateVariable>>>;

/** A template that sets variables by itself, so that every program that renders it renders the same. */
export const withVariables = (template: string, variables: TemplateVariables): string =>
  Object.entries(variables)
    .map(([name, value]) => `{%- set ${name} = ${value === null ? "none" : JSON.stringify(value)} -%}`)
    .concat(Object.keys(variables).length > 0 ? "{{ '' }}" : "") // what follows keeps its blanks
    .join("") + template;
