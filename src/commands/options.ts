/** @file distill options: what may stand in a recipe, as the schema says it. */

import { DistillError } from "../core/errors.ts";
import { nearest, suggestion } from "../core/nearest.ts";
import { wrapped } from "../core/wrapped.ts";
import { everyKey, type Option, sectionAt } from "../recipe/options.ts";
import { LEADS, NONE } from "../recipe/peers.ts";
import { Recipe } from "../recipe/recipe.ts";
import { type JsonSchema, recipeSchema, schemaFile } from "../recipe/schema.ts";

export type OptionsArguments = { json?: boolean; keys?: boolean };

const INDENT = 4;

export function options(name: string | undefined, { json, keys }: OptionsArguments): void {
  const recipe = recipeSchema(Recipe);
  const lines = keys
    ? everyKey(recipe).map(({ path }) => path)
    : name !== undefined
      ? told(name, recipe, json ?? false)
      : json
        ? [schemaFile(recipe).trimEnd()]
        : overview(recipe);
  console.log(lines.join("\n"));
}

function told(name: string, recipe: JsonSchema, json: boolean): string[] {
  const section = sectionAt(recipe, name.split("."));
  if (!section) throw new DistillError(unknown(name, recipe));
  return json ? [JSON.stringify(section.schema, null, 2)] : page(name, recipe);
}

/** The keys of a recipe, and how to see what is in them. */
function overview(recipe: JsonSchema): string[] {
  const { options } = sectionAt(recipe, [])!;
  const top = options.filter(({ name }) => !name.includes("."));
  return [
    ...wrapped("The keys of a recipe. distill options SECTION, such as trainer or trainer.sft, shows those in one.", 0),
    "",
    ...top.flatMap(entry),
  ];
}

function page(name: string, recipe: JsonSchema): string[] {
  const path = name.split(".");
  const { sentence, options, types, schema } = sectionAt(recipe, path)!;
  if (options.length === 0 && types.length === 0 && !schema.properties) {
    // a single key, which stands among those of its section
    const above = sectionAt(recipe, path.slice(0, -1))!.options.find((option) => option.name === path.at(-1));
    return above ? entry({ ...above, name }) : wrapped(`${name}: ${sentence}`, 0);
  }
  const head = [...wrapped(`${name}: ${sentence}`, 0), ""];
  if (types.length > 0)
    return [
      ...head,
      ...wrapped(`Its types, of which distill options ${name}.TYPE shows all keys:`, 0),
      "",
      ...types.flatMap(({ type, sentence }) => [`  ${type}`, ...wrapped(sentence, INDENT)]),
      ...(options.length > 0 ? ["", "Keys that each of them has:", "", ...options.flatMap(entry)] : []),
    ];
  if (options.length === 0) return [...head, "It has no keys of its own."];
  // of a type its own keys come first, then those of its whole kind
  const kind = sectionAt(recipe, path.slice(0, -1));
  const shared = new Set(kind?.types.length ? kind.options.map((option) => option.name) : []);
  const [own, all] = [false, true].map((of) => options.filter((option) => shared.has(option.name) === of));
  const behind = own!.length > 0 && all!.length > 0 ? ["", `Keys that all types of ${path.at(-2)} have:`, ""] : [];
  return [...head, ...own!.flatMap(entry), ...behind, ...all!.flatMap(entry)];
}

/** A key on a line of its own, and below it what it is. */
function entry({ name, type, default: given, required, sentence }: Option): string[] {
  const value = given === undefined ? (required ? ", to be given" : "") : `, ${JSON.stringify(given)} unless given`;
  return [...wrapped(`${name}: ${type}${value}`, 2, INDENT), ...wrapped(sentence, INDENT)];
}

/** What is said of a section that there is not. */
function unknown(name: string, recipe: JsonSchema): string {
  const path = name.split(".");
  const last = path.at(-1)!;
  const above = path.length > 1 ? sectionAt(recipe, path.slice(0, -1)) : undefined;
  if (above && above.types.length > 0)
    return `There is no ${path.slice(0, -1).join(".")} "${last}"${suggestion(
      last,
      above.types.map(({ type }) => type),
    )}.`;
  const keys = everyKey(recipe).map(({ path }) => path);
  const elsewhere = keys.filter((path) => path.endsWith(`.${last}`)).slice(0, 3);
  if (elsewhere.length > 0) return `A recipe has no "${name}" there. It is ${elsewhere.join(" or ")}.`;
  const words = [name, last].filter((word) => Object.hasOwn(LEADS, word) || Object.hasOwn(NONE, word));
  for (const word of words)
    return Object.hasOwn(NONE, word)
      ? `A recipe has no "${name}": ${NONE[word]}.`
      : `A recipe has no "${name}". What others call so is ${LEADS[word]}.`;
  const typed = sectionAt(recipe, [])!.options.flatMap(({ name, types }) => types.map((type) => `${name}.${type}`));
  const near = typed.find((path) => path.endsWith(`.${last}`)) ?? nearest(name, [...keys, ...typed], 1 / 2);
  return `A recipe has no "${name}". ${near ? `Did you mean ${near}?` : "distill options lists what it has."}`;
}
