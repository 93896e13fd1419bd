import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { questions } from "../../src/commands/stages/context.ts";
import { cacheOf } from "../../src/commands/stages/example-cache.ts";
import { allOf } from "../../src/data/example-store.ts";
import { readExamples } from "../../src/data/examples.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { plainRunFolder } from "../../src/store/run-folder.ts";
import { scratch, TOKENIZER } from "../support/students.ts";

const OPTIONS = { max_length: 64, overlength: "drop" } as const;
const row = (completion: string) => `${JSON.stringify({ prompt: "1+1=?", completion })}\n`;

test("examples are kept under the key of what was read, and not at all where that was changed meanwhile", async () => {
  const tokenizer = loadTokenizer(TOKENIZER);
  const folder = scratch();
  const [path, run] = [join(folder, "rows.jsonl"), plainRunFolder(join(folder, "run"))];
  const cache = () => cacheOf({ folder: run, hub: new Map() }, { path }, tokenizer);
  const examples = async (given = cache()) =>
    (await readExamples({ path }, tokenizer, OPTIONS, undefined, given))!.segments;
  const kept = () => (existsSync(cache().folder) ? readdirSync(cache().folder) : []);

  writeFileSync(path, row("2"));
  const before = cache();
  writeFileSync(path, row("3"));
  await assert.rejects(examples(before), {
    name: "DistillError",
    message: /rows\.jsonl or its tokenizer was changed while it was read\. Run the same command again\.$/,
  });
  assert.deepEqual(kept(), []);

  const [three] = allOf(await examples());
  assert.deepEqual(kept(), [cache().key]);
  writeFileSync(path, row("2"));
  assert.equal(cache().key, before.key);
  const [two] = allOf(await examples(before));
  assert.notDeepEqual(two!.tokens, three!.tokens);
  assert.deepEqual(tokenizer.decode(two!.tokens), "1+1=?2<eos>");
});

test("the questions of a source are read once, so that a key says what was asked", () => {
  const path = join(scratch(), "prompts.jsonl");
  writeFileSync(path, '{"prompt":"a","answer":"1"}\n');
  const source = { path };
  const asked = questions(source, "test", []);
  writeFileSync(path, '{"prompt":"b","answer":"2"}\n');
  assert.deepEqual(questions(source, "test", []), asked);
  assert.equal(questions({ path }, "test", [])[0]!.prompt, "b");
  const generated = { generate: { type: "arithmetic" }, rows: 3, seed: 1 };
  assert.notDeepEqual(questions(generated, "train", []), questions(generated, "test", []));
});
