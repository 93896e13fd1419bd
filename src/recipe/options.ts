/** @file The keys of a recipe as its schema says them: type, default and sentence, section by section. */

import type { JsonSchema } from "./schema.ts";

export type Option = {
  /** Behind its section, with dots. */
  name: string;
  type: string;
  default?: unknown;
  required: boolean;
  sentence: string;
  /** The types of what has more keys than are told here. */
  types: readonly string[];
};

/** A part of the schema: what it is, the keys that it has, and the types that there are of it. */
export type Section = {
  schema: JsonSchema;
  sentence: string;
  options: readonly Option[];
  types: readonly { type: string; sentence: string }[];
};

/** The section that a path of keys and types leads to, such as trainer.grpo; nothing where there is none. */
export function sectionAt(recipe: JsonSchema, path: readonly string[]): Section | undefined {
  let at: JsonSchema[] = [recipe];
  let sentence = "";
  for (const word of path) {
    const inner = at.flatMap((schema) => stepInto(schema, word));
    if (inner.length === 0) return undefined;
    sentence = inner.find(({ description }) => description)?.description ?? sentence;
    at = inner;
  }
  const all = at.flatMap(shapesOf);
  const typed = all.filter((shape) => typeOf(shape) !== undefined);
  const several = typed.length > 1;
  return {
    schema: at.length === 1 ? at[0]! : { anyOf: at },
    sentence,
    options: several
      ? optionsOf(
          inCommon(typed),
          all.filter((shape) => !typed.includes(shape)),
        )
      : optionsOf(all),
    types: several ? typed.map((shape) => ({ type: typeOf(shape)!, sentence: shape.description ?? "" })) : [],
  };
}

/** A key by its path without types, the types that have it where not all of their kind do, and whether it is in a list. */
export type Key = { path: string; types: readonly string[]; listed: boolean };

export function everyKey(recipe: JsonSchema): Key[] {
  const found = new Map<string, { types: Set<string>; listed: boolean }>();
  const kinds = new Map<string, number>();
  const visit = (schema: JsonSchema, path: string, inList: boolean): void => {
    const shapes = shapesOf(schema);
    const listed = inList || isList(schema);
    kinds.set(path, shapes.filter((shape) => typeOf(shape) !== undefined).length);
    for (const shape of shapes)
      for (const [key, inner] of Object.entries(shape.properties ?? {})) {
        const below = path === "" ? key : `${path}.${key}`;
        const known = found.get(below) ?? { types: new Set<string>(), listed };
        found.set(below, known);
        const type = typeOf(shape);
        if (type !== undefined) known.types.add(type);
        visit(inner, below, listed);
      }
  };
  visit(recipe, "", false);
  const above = (path: string) => path.split(".").slice(0, -1).join(".");
  return [...found].map(([path, { types, listed }]) => ({
    path,
    types: types.size === kinds.get(above(path)) ? [] : [...types],
    listed,
  }));
}

/** Every section that has a page of its own: those of keys, and types by their names. */
export const everySection = (recipe: JsonSchema): string[] =>
  everyKey(recipe).flatMap(({ path, listed }) => {
    const types = sectionAt(recipe, path.split("."))!.types.map(({ type }) => `${path}.${type}`);
    return listed ? [] : [path, ...types];
  });

const isList = ({ items, anyOf }: JsonSchema): boolean =>
  items !== undefined || ((anyOf ?? []).every(isList) && !!anyOf);

const typeOf = ({ properties }: JsonSchema): string | undefined =>
  typeof properties?.type?.const === "string" ? properties.type.const : undefined;

/** What has keys in a schema: itself, its alternatives, or the elements of a list of such. */
function shapesOf(schema: JsonSchema): JsonSchema[] {
  const inner = schema.anyOf ?? schema.oneOf ?? (schema.items ? [schema.items] : undefined);
  if (inner) return inner.flatMap(shapesOf);
  return schema.properties ? [schema] : [];
}

const stepInto = (schema: JsonSchema, word: string): JsonSchema[] =>
  shapesOf(schema).flatMap((shape) => {
    const key = shape.properties![word];
    return key ? [key] : typeOf(shape) === word ? [shape] : [];
  });

/** The keys that all of them have in the same way, as one shape. */
function inCommon([first, ...others]: readonly JsonSchema[]): JsonSchema[] {
  const same = Object.entries(first!.properties!).filter(
    ([key, schema]) =>
      key !== "type" && others.every(({ properties }) => JSON.stringify(properties![key]) === JSON.stringify(schema)),
  );
  return [{ ...first!, properties: Object.fromEntries(same) }];
}

function optionsOf(...shapes: readonly (readonly JsonSchema[])[]): Option[] {
  const options = new Map<string, Option>();
  const all = shapes.flat();
  const needed = (name: string) => all.every(({ required = [] }) => required.includes(name));
  for (const { properties } of all)
    for (const [name, schema] of Object.entries(properties!))
      for (const option of told(name, schema, needed(name)))
        if (!options.has(option.name)) options.set(option.name, option);
  return [...options.values()].filter(({ name }) => name !== "type");
}

/** A key, and the keys in it where those are few and of one kind. */
function told(name: string, schema: JsonSchema, required: boolean): Option[] {
  const shapes = shapesOf(schema);
  const types = shapes.flatMap((shape) => typeOf(shape) ?? []);
  const own: Option = {
    name,
    type: typeText(schema),
    ...("default" in schema ? { default: schema.default } : {}),
    required,
    sentence: schema.description ?? "",
    types,
  };
  const below = types.length > 0 ? [] : optionsOf(shapes);
  return [own, ...below.map((option) => ({ ...option, name: `${name}.${option.name}` }))];
}

/** What a value has to be, in words. */
export function typeText(schema: JsonSchema): string {
  const { type, anyOf, oneOf, items, prefixItems } = schema;
  if (schema.enum) return schema.enum.map(String).join(" | ");
  if ("const" in schema) return String(schema.const);
  if (oneOf?.every((one) => typeOf(one) !== undefined)) return `{ type: ${oneOf.map(typeOf).join(" | ")} }`;
  if (typeOf(schema) !== undefined) return `{ type: ${typeOf(schema)} }`;
  if (anyOf ?? oneOf) return [...new Set((anyOf ?? oneOf)!.map(typeText))].join(" or ");
  if (prefixItems) return `[${prefixItems.map(typeText).join(", ")}]`;
  if (type === "array") return `list of ${items ? plural(typeText(items)) : "values"}`;
  if (type === "object") return "keys";
  if (type === "boolean") return "true | false";
  if (type === "string") return "text";
  if (type === "number" || type === "integer")
    return `${type === "integer" ? "whole number" : "number"}${bounds(schema)}`;
  return "anything";
}

const plural = (text: string): string => (/^(text|whole number|number)$/.test(text) ? `${text}s` : text);

function bounds(schema: JsonSchema): string {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = schema;
  const parts = [
    minimum !== undefined ? `≥ ${minimum}` : exclusiveMinimum !== undefined ? `> ${exclusiveMinimum}` : "",
    maximum !== undefined ? `≤ ${maximum}` : exclusiveMaximum !== undefined ? `< ${exclusiveMaximum}` : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : ` ${parts.join(", ")}`;
}
