import assert from "node:assert/strict";
import { test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { createModel, type ModelConfig } from "../../src/models/load.ts";
import { isFrozen, trainedPart } from "../../src/student/trained.ts";
import { TOY } from "../support/training.ts";

const untied: ModelConfig = { ...TOY, tie_word_embeddings: false };

test("weights are frozen by pattern: a pattern of no weight is refused, and so is one of all", () => {
  const model = createModel(untied, "test");
  const freeze = ["model.embed_tokens.*", "model.layers.0.*"];
  const { parameters } = trainedPart(model, untied, { freeze });
  assert.equal(parameters.length, model.parameters.length - 1 - 9);
  assert.ok(parameters.every(({ name }) => !isFrozen(name, freeze)));
  const refused = (freeze: string[], message: RegExp) =>
    assert.throws(
      () => trainedPart(model, untied, { freeze }),
      (error) => error instanceof DistillError && message.test(error.message),
    );
  refused(["model.layer.0.*"], /no weight is called "model\.layer\.0\.\*"/);
  refused(["*"], /names every weight/);
});
