/** @file distill completion: a script by which a shell completes commands, their options, recipes and the keys of overrides. */

import { DistillError } from "../core/errors.ts";
import { everyKey, everySection, sectionAt } from "../recipe/options.ts";
import { Recipe } from "../recipe/recipe.ts";
import { type JsonSchema, recipeSchema } from "../recipe/schema.ts";
import * as shells from "./completion/index.ts";

/** A command as its completion knows it. */
export type CompletedCommand = {
  name: string;
  description: string;
  options: readonly { flag: string; description: string }[];
  /** Whether it is given a recipe first, and then overrides. */
  recipe: boolean;
};

/** What there is to complete: a value is one of a key's, where those are known. */
export type Completed = {
  commands: readonly CompletedCommand[];
  keys: readonly { key: string; values: readonly string[] }[];
  /** What distill options has a page of. */
  sections: readonly string[];
};

export function completion(shell: string, commands: readonly CompletedCommand[]): void {
  if (!Object.hasOwn(shells, shell))
    throw new DistillError(
      `There is no completion for "${shell}". Expected one of: ${Object.keys(shells).join(", ")}.`,
    );
  const recipe = recipeSchema(Recipe);
  const keys = everyKey(recipe)
    .filter(({ listed }) => !listed)
    .map(({ path }) => ({ key: path, values: valuesOf(recipe, path.split(".")) }));
  console.log(shells[shell as keyof typeof shells]({ commands, keys, sections: everySection(recipe) }));
}

/** The values that a key may have, where they are counted. */
function valuesOf(recipe: JsonSchema, path: readonly string[]): string[] {
  const values = (schema: JsonSchema): unknown[] => [
    ...(schema.enum ?? []),
    ...("const" in schema ? [schema.const] : []),
    ...(schema.type === "boolean" && !("const" in schema) ? [true, false] : []),
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(values),
  ];
  return [...new Set(values(sectionAt(recipe, path)?.schema ?? {}).map(String))];
}
