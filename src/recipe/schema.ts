/** @file The schema of recipes and pipelines as JSON, for editors and for what is said of options. */

import { z } from "zod";

/** As much of JSON Schema as ours is written in. */
export type JsonSchema = {
  $ref?: string;
  type?: string | string[];
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  prefixItems?: JsonSchema[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  [key: string]: unknown;
};

/** What a trainer is that has no type. */
const TRAINER = "sft";

/** The schema of one recipe, without references. */
export function recipeSchema(recipe: z.ZodType): JsonSchema {
  const { $schema: _, ...schema } = tidied(z.toJSONSchema(recipe, { io: "input" })) as JsonSchema;
  for (const trainer of schema.properties!.trainer!.oneOf!)
    if (trainer.properties!.type!.const === TRAINER) trainer.required = [];
  schema.required = schema.required!.filter((key) => key !== "trainer");
  // a preset says where the questions are
  for (const evaluation of shapesOf(schema.properties!.evaluation!))
    evaluation.required = evaluation.required!.filter((key) => key !== "prompts");
  return schema;
}

/** Where one or several may stand, the one and those of the list. */
const shapesOf = (schema: JsonSchema): JsonSchema[] =>
  schema.anyOf ? schema.anyOf.flatMap(shapesOf) : schema.items ? [schema.items] : [schema];

/** The schema of a file: a recipe, or a pipeline whose steps have parts of one. */
export function fileSchema(recipe: JsonSchema): JsonSchema {
  const { name, output, evaluation } = recipe.properties!;
  const step = partial({ ...recipe, description: "A recipe, whose keys are laid over those of what it extends." });
  const own = { type: "string", description: "A recipe's file, a step of another pipeline (file.yaml#step) or #step." };
  step.properties = { extends: own, ...step.properties! };
  const pipeline: JsonSchema = {
    type: "object",
    properties: {
      name: name!,
      output: output!,
      steps: { type: "object", description: "Recipes that read from each other, by name.", additionalProperties: step },
      evaluation: partial(evaluation!),
    },
    required: ["name", "steps"],
    additionalProperties: false,
  };
  return hoisted({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A recipe of distill",
    type: "object",
    if: { required: ["steps"] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: pipeline,
    else: recipe,
  });
}

/** Without the bounds of JavaScript's integers, which say nothing. */
function tidied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tidied);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== Number.MAX_SAFE_INTEGER && inner !== Number.MIN_SAFE_INTEGER)
      .map(([key, inner]) => [key, tidied(inner)]),
  );
}

/** What a step reads of another one, in place of a path. */
const LINK = {
  step: { type: "string", description: "Another step, whose result it is." },
  of: { type: "string", description: "What of it." },
};

/** The same keys, none of them required, each perhaps null, and { step } in place of a path. */
function partial({ required: _, oneOf, ...schema }: JsonSchema): JsonSchema {
  const each = (all: JsonSchema[]) => all.map(partial);
  const { properties, items, anyOf } = schema;
  const texts = (key: string, inner: JsonSchema): JsonSchema =>
    key === "adapter" || key === "tokenizer"
      ? { anyOf: [inner, { type: "object", properties: LINK }] }
      : partial(inner);
  return {
    ...schema,
    ...(properties
      ? {
          properties: {
            ...Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, nullable(texts(key, inner))])),
            ...("path" in properties ? LINK : {}),
          },
        }
      : {}),
    ...(items ? { items: partial(items) } : {}),
    ...(anyOf || oneOf ? { anyOf: each(anyOf ?? oneOf!) } : {}),
  };
}

/** A step says by null what it does not take of what it extends. */
function nullable({ description, ...schema }: JsonSchema): JsonSchema {
  const said = description === undefined ? {} : { description };
  if ("const" in schema) return { ...said, ...schema };
  if (typeof schema.type !== "string") return { ...said, anyOf: [schema, { type: "null" }] };
  return { ...said, ...schema, type: [schema.type, "null"], ...(schema.enum ? { enum: [...schema.enum, null] } : {}) };
}

/** Components are written once, under $defs, by what they are and their type. */
function hoisted(schema: JsonSchema): JsonSchema {
  const names = new Map<string, string>();
  const $defs: Record<string, JsonSchema> = {};
  const visit = (value: unknown, key: string): unknown => {
    if (Array.isArray(value)) return value.map((item) => visit(item, key));
    if (typeof value !== "object" || value === null) return value;
    const inner = Object.fromEntries(
      Object.entries(value).map(([name, of]) => [
        name,
        visit(of, /^(anyOf|oneOf|items|properties)$/.test(name) ? key : name),
      ]),
    ) as JsonSchema;
    const type = inner.properties?.type?.const;
    if (typeof type !== "string") return inner;
    const text = JSON.stringify(inner);
    if (!names.has(text)) {
      let name = `${key}.${type}`;
      while (name in $defs) name += "'";
      names.set(text, name);
      $defs[name] = inner;
    }
    return { $ref: `#/$defs/${names.get(text)!}` };
  };
  const whole = visit(schema, "") as JsonSchema;
  return { ...whole, $defs };
}

/** The schema as a file has it, each component on a line of its own. */
export function schemaFile(recipe: JsonSchema): string {
  const { $defs, ...rest } = fileSchema(recipe);
  const lines = Object.entries($defs as object).map(
    ([name, schema]) => `  ${JSON.stringify(name)}: ${JSON.stringify(schema)}`,
  );
  return `${JSON.stringify(rest, null, 1).slice(0, -2)},\n "$defs": {\n${lines.join(",\n")}\n }\n}\n`;
}
