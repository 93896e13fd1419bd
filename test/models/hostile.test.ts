import assert from "node:assert/strict";
import { test } from "node:test";
import { loadMutations } from "../support/hostile/run.ts";

/** Mutations of each format, and how many different reasons to refuse them there at least are: they reach every check. */
const FORMATS = { safetensors: 50, gguf: 60, tokenizer: 50 };
const COUNT = 2000;

for (const [format, reasons] of Object.entries(FORMATS))
  test(`${COUNT} mutations of a ${format} file are loaded or refused in a sentence, within 2 s and 1 GB`, async (t) => {
    const { valid, refused, sentences, failures, megabytes } = await loadMutations(format, COUNT);
    t.diagnostic(`${valid} loaded, ${refused} refused for ${sentences.size} reasons, at most ${megabytes} MB`);
    assert.deepEqual(failures, []);
    assert.equal(valid + refused, COUNT);
    assert.ok(valid > 50 && refused > 1000 && sentences.size >= reasons, `${valid}, ${refused}, ${sentences.size}`);
    assert.ok(megabytes < 1024);
  });
