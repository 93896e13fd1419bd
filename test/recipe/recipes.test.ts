import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { readPipeline } from "../../src/recipe/pipeline.ts";
import { readRecipe } from "../../src/recipe/recipe.ts";

for (const file of readdirSync("recipes").filter((name) => name.endsWith(".yaml")))
  test(`recipes/${file} is valid, and called like its file`, () => {
    const { name } = readPipeline(`recipes/${file}`) ?? readRecipe(`recipes/${file}`);
    assert.equal(`${name}.yaml`, file);
  });
