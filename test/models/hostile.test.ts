import assert from "node:assert/strict";
import { test } from "node:test";
import { extent } from "../support/extent.ts";
import { LITTLE } from "../support/hostile/misbehaving.ts";
import { LIMITS, loadMutations } from "../support/hostile/run.ts";

/** Mutations of each format, and how many different reasons to refuse them there at least are: they reach every check. */
const FORMATS = { safetensors: 50, gguf: 60, tokenizer: 50 };
const COUNT = extent(500, 2000);

for (const [format, reasons] of Object.entries(FORMATS))
  test(`${COUNT} mutations of a ${format} file are loaded or refused in a sentence, within 2 s of work and 1 GB`, async (t) => {
    const { valid, refused, sentences, failures, megabytes } = await loadMutations(format, COUNT);
    t.diagnostic(`${valid} loaded, ${refused} refused for ${sentences.size} reasons, at most ${megabytes} MB`);
    assert.deepEqual(failures, []);
    assert.equal(valid + refused, COUNT);
    assert.ok(
      valid > 50 && refused > COUNT / 2 && sentences.size >= reasons,
      `${valid}, ${refused}, ${sentences.size}`,
    );
    assert.ok(megabytes < LIMITS.megabytes);
  });

test("a load that throws, ends the process, takes too long, hangs or fills the memory is found", async () => {
  const { valid, refused, failures } = await loadMutations("misbehaving", 8, LITTLE);
  assert.deepEqual(
    failures.map((failure) =>
      failure
        .replace(/[\d.]+ (s|MB)\b/g, "… $1")
        .split("\n")[0]!
        .slice(0, 70),
    ),
    [
      "misbehaving 2 (way 2): TypeError: no sentence",
      "misbehaving 3 (way 3): the process ended with 3: ",
      "misbehaving 4 (way 4): took … s; … s are allowed here",
      "misbehaving 5 (way 5): hung",
      "misbehaving 6 (way 6): took the process to … MB",
    ],
  );
  assert.deepEqual([valid, refused], [4, 1]);
});
