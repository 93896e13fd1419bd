import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { Recipe } from "../../src/recipe/recipe.ts";
import { fileSchema, type JsonSchema, recipeSchema, schemaFile } from "../../src/recipe/schema.ts";
import { faultsOf } from "../support/json-schema.ts";

const recipe = recipeSchema(Recipe);
const schema = fileSchema(recipe);

/** Every key with its schema, by its path. */
function* keysOf(at: JsonSchema, path: string): Generator<[path: string, key: JsonSchema]> {
  for (const inner of [...(at.anyOf ?? []), ...(at.oneOf ?? []), ...(at.items ? [at.items] : [])])
    yield* keysOf(inner, path);
  if (typeof at.additionalProperties === "object") yield* keysOf(at.additionalProperties, `${path}.*`);
  const type = at.properties?.type?.const;
  const here = typeof type === "string" ? `${path}(${type})` : path;
  for (const [key, inner] of Object.entries(at.properties ?? {})) {
    yield [`${here}.${key}`, inner];
    yield* keysOf(inner, `${here}.${key}`);
  }
}

test("every key of a recipe has a sentence", () => {
  const keys = [...keysOf(recipe, "")];
  assert.ok(keys.length > 400);
  for (const [path, { description }] of keys)
    assert.match(description ?? "", /^.{5,}[.\])]$/s, `${path} is not described`);
});

test("every type has a sentence", () => {
  const typed = (at: JsonSchema): JsonSchema[] => [
    ...(at.properties?.type?.const === undefined ? [] : [at]),
    ...[...(at.anyOf ?? []), ...(at.oneOf ?? []), ...Object.values(at.properties ?? {})].flatMap(typed),
    ...(at.items ? typed(at.items) : []),
  ];
  for (const { description, properties } of typed(recipe))
    assert.ok(description, `${properties!.type!.const} is not described`);
});

test("recipes/recipe.schema.json is what distill options --json prints", () => {
  assert.equal(
    readFileSync("recipes/recipe.schema.json", "utf8"),
    schemaFile(recipe),
    "write it again: node dist/cli.js options --json > recipes/recipe.schema.json",
  );
});

for (const file of readdirSync("recipes").filter((name) => name.endsWith(".yaml")))
  test(`recipes/${file} names the schema, and is valid by it`, () => {
    const text = readFileSync(`recipes/${file}`, "utf8");
    assert.match(text, /^# yaml-language-server: \$schema=\.\/recipe\.schema\.json\n/);
    assert.deepEqual(faultsOf(parse(text), schema), []);
  });

test("the schema refuses what is refused when a recipe is read", () => {
  const given = () => parse(readFileSync("recipes/quickstart.yaml", "utf8"));
  const faults = (change: (keys: Record<string, Record<string, unknown>>) => void) => {
    const keys = given();
    change(keys);
    return faultsOf(keys, schema);
  };
  assert.deepEqual(
    faults(() => {}),
    [],
  );
  assert.notDeepEqual(
    faults((keys) => {
      keys.trainer!.learning_rat = 1;
    }),
    [],
  );
  assert.notDeepEqual(
    faults((keys) => {
      keys.trainer!.type = "dpo";
    }),
    [],
  );
  assert.notDeepEqual(
    faults((keys) => {
      keys.sampling!.num_generations = 0;
    }),
    [],
  );
  assert.notDeepEqual(
    faults((keys) => {
      delete keys.name;
    }),
    [],
  );
  const steps = parse(readFileSync("recipes/r1-zero.yaml", "utf8"));
  steps.steps.zero.trainer.lerning_rate = 1;
  assert.notDeepEqual(faultsOf(steps, schema), []);
});
