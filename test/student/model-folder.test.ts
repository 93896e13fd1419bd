import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { createModel, loadWeights, readConfig, saveTensors } from "../../src/models/load.ts";
import { openStudent } from "../../src/student/student.ts";
import { trainedPart } from "../../src/student/trained.ts";
import { scratch } from "../support/students.ts";

const BASE = "data/models/stories-base";
const folder = scratch();

/** A copy of a small student in which something is changed. */
function copied(name: string, change: (path: string) => void): string {
  const path = join(folder, name);
  cpSync(BASE, path, { recursive: true });
  change(path);
  return path;
}

const refused = (path: string, sentence: RegExp, adapter?: string) =>
  assert.throws(() => openStudent({ student: { path, ...(adapter === undefined ? {} : { adapter }) } }), {
    name: "DistillError",
    message: sentence,
  });
const adapterIn = (path: string) => writeFileSync(join(path, "adapter_config.json"), "{}");

test("an adapter, a model with one beside it and a run are no student, and each sentence says what is", () => {
  const alone = copied("adapter", (path) => {
    adapterIn(path);
    rmSync(join(path, "config.json"));
  });
  refused(alone, /adapter holds an adapter and no model\. Give it as student\.adapter, and as student\.path the model/);
  const both = copied("both", adapterIn);
  refused(both, /both holds an adapter beside a model\. Give it as student\.adapter/);
  assert.equal(openStudent({ student: { path: both, adapter: both } }).config.model_type, "llama");
  const run = join(folder, "run");
  mkdirSync(run);
  writeFileSync(join(run, "manifest.json"), "{}");
  refused(run, /run is the folder of a run\. Give what it trained, .*run\/student\./);
});

test("weights that are a pickle, wrapped, or in a file that is missing are refused with the cure", async () => {
  const { parameters } = createModel(readConfig(BASE), BASE);
  const weights = (path: string) => () => [...loadWeights(path, { parameters })];
  const says = (path: string, message: RegExp) => assert.throws(weights(path), { name: "DistillError", message });
  const pickle = copied("pickle", (path) => {
    rmSync(join(path, "model.safetensors"));
    writeFileSync(join(path, "pytorch_model.bin"), "");
  });
  says(pickle, /pickle holds no weights: .* Save it with safetensors, .*pytorch_model\.bin is a pickle/);
  const file = openSafetensors(join(BASE, "model.safetensors"));
  const tensors = [...file.entries].map(([name, { shape }]) => ({ name: `_orig_mod.${name}`, shape }));
  const read = async (name: string) => new Float32Array(file.read(name.replace("_orig_mod.", "")).buffer);
  const wrapped = copied("wrapped", () => {});
  await saveTensors(join(wrapped, "model.safetensors"), tensors, read);
  file.close();
  says(
    wrapped,
    /has no tensor "model\.embed_tokens\.weight", .* and one called "_orig_mod\.model\.embed_tokens\.weight"\. Save the model itself/,
  );
  const sharded = copied("sharded", (path) => {
    rmSync(join(path, "model.safetensors"));
    const weight_map = Object.fromEntries(parameters.map(({ name }) => [name, "model-00001-of-00002.safetensors"]));
    writeFileSync(join(path, "model.safetensors.index.json"), JSON.stringify({ weight_map }));
  });
  says(sharded, /model-00001-of-00002\.safetensors is missing: the model in .* Put all of them beside it/);
});

test("what is trained is floats, however the config says that the student was quantised", () => {
  const path = copied("quantised", (path) => {
    const config = { ...readConfig(path), quantization_config: { quant_method: "bitsandbytes" } };
    writeFileSync(join(path, "config.json"), JSON.stringify(config));
  });
  const config = readConfig(path);
  const { content } = trainedPart(createModel(config, path), config).config;
  assert.ok(!("quantization_config" in (content as object)));
  assert.equal((content as { hidden_size: number }).hidden_size, config.hidden_size);
});

test("special tokens may be named by the file that older tokenizers have, and an empty chat template is none", () => {
  const edit = (path: string, change: (config: Record<string, unknown>) => void) => {
    const place = join(path, "tokenizer_config.json");
    const config = JSON.parse(readFileSync(place, "utf8"));
    change(config);
    writeFileSync(place, JSON.stringify(config));
  };
  const old = copied("old", (path) =>
    edit(path, (config) => {
      writeFileSync(
        join(path, "special_tokens_map.json"),
        JSON.stringify({ eos_token: { content: config.eos_token } }),
      );
      delete config.eos_token;
    }),
  );
  assert.equal(loadTokenizer(old).eos, loadTokenizer(BASE).eos);
  rmSync(join(old, "special_tokens_map.json"));
  assert.throws(() => loadTokenizer(old), /names no eos_token; .*Name the token that ends a text there\.$/);
  const empty = copied("empty", (path) => edit(path, (config) => Object.assign(config, { chat_template: "" })));
  assert.equal(loadTokenizer(empty).template, undefined);
  const odd = copied("odd", (path) =>
    edit(path, (config) => Object.assign(config, { chat_template: { default: "a" } })),
  );
  assert.throws(() => loadTokenizer(odd), /chat_template: expected a Jinja text, or a list of \{ name, template \}\.$/);
});
