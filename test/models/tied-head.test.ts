import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gguf } from "../../src/exporters/gguf.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import { openGguf } from "../../src/formats/gguf-reader.ts";
import { createModel, loadWeights, readConfig, readIndex, saveTensors } from "../../src/models/load.ts";
import { saveWeights } from "../../src/models/save.ts";
import { writeModel } from "../support/models.ts";
import { scratch } from "../support/students.ts";
import { relativeDifference, TOY } from "../support/training.ts";

const folder = scratch();
const tied = { ...TOY, tie_word_embeddings: true };
const untied = { ...TOY, tie_word_embeddings: false };

/** A folder whose config ties the head, with a head in its file: the embedding's rows turned round, or the same. */
async function withHead(name: string, change: (head: Float32Array) => void): Promise<string> {
  const path = await writeModel(join(folder, name), tied);
  const weights = new Map([...loadWeights(path, createModel(tied, path))].map(({ name, data }) => [name, data]));
  const head = weights.get("model.embed_tokens.weight")!.slice();
  change(head);
  weights.set("lm_head.weight", head);
  const { parameters } = createModel(untied, path);
  await saveTensors(join(path, "model.safetensors"), parameters, async (name) => weights.get(name)!);
  return path;
}

test("a head that differs from the embedding is not tied to it, as in transformers", async () => {
  const path = await withHead("differs", (head) => head.reverse());
  assert.equal(readConfig(path).tie_word_embeddings, false);
  const same = join(folder, "said");
  mkdirSync(same);
  writeFileSync(join(same, "config.json"), JSON.stringify(untied));
  const weights = loadWeights(path, createModel(untied, path));
  await saveTensors(
    join(same, "model.safetensors"),
    createModel(untied, path).parameters,
    async () => weights.next().value!.data as Float32Array,
  );
  const [given, expected] = [await openReferenceRunner(path), await openReferenceRunner(same)];
  const tokens = [1, 2, 3, 4];
  assert.ok(relativeDifference(await given.logits(tokens), await expected.logits(tokens)) < 1e-6);
  await Promise.all([given.close(), expected.close()]);
  const [file] = await gguf.create({ types: ["f32"] })({ folder: path }, join(folder, "gguf"));
  const { tensors, close } = openGguf(file!.path);
  close();
  assert.ok(tensors.has("output.weight"));
});

test("a head that is the embedding stays tied, and so does one that is not there", async () => {
  assert.equal(readConfig(await withHead("equal", () => {})).tie_word_embeddings, true);
  assert.equal(readConfig(await writeModel(join(folder, "none"), tied)).tie_word_embeddings, true);
});

test("a folder without weights still has its config", async () => {
  const path = await writeModel(join(folder, "bare"), tied);
  rmSync(join(path, "model.safetensors"));
  assert.deepEqual(readConfig(path), tied);
  writeFileSync(join(path, "model.safetensors"), "no tensors");
  assert.deepEqual(readConfig(path), tied);
});

test("a head whose file is missing, or is another model's, is not taken for one that is tied", async () => {
  const path = await withHead("in files of their own", (head) => head.reverse());
  const { parameters } = createModel(untied, path);
  const weights = new Map([...loadWeights(path, { parameters })].map(({ name, data }) => [name, data]));
  rmSync(join(path, "model.safetensors"));
  const sizes = parameters.map(({ shape }) => shape.reduce((a, b) => a * b, 4));
  const read = async (name: string) => weights.get(name)!;
  // the head comes last, in a file of its own
  await saveWeights(path, parameters, read, Math.max(...sizes));
  const index = readIndex(path);
  const file = index["lm_head.weight"]!;
  assert.equal(readConfig(path).tie_word_embeddings, false);
  rmSync(join(path, file));
  const load = () => [...loadWeights(path, createModel(readConfig(path), path))];
  assert.throws(load, {
    name: "DistillError",
    message: /is missing: the model in .* has \d+ files of weights\. Put all/,
  });
  const beside = parameters.filter(({ name }) => index[name] === file && name !== "lm_head.weight");
  await saveTensors(join(path, file), beside, read);
  assert.throws(load, {
    name: "DistillError",
    message: /has no tensor "lm_head\.weight", which .*index\.json says is there/,
  });
});
