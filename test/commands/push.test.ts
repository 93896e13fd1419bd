/** @file A run's model card, and the run on the hub. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { stringify } from "yaml";
import { distill, withEnvironment } from "../support/cli.ts";
import { startUploadHub, TOKENS } from "../support/hub-uploads.ts";
import { scratch } from "../support/students.ts";

const folder = scratch();
const run = join(folder, "run");
const RECIPE = {
  name: "stories",
  output: run,
  device: "cpu",
  threads: 1,
  student: { path: resolve("data/models/stories-base") },
  dataset: { generate: { type: "stories" }, rows: 8, seed: 3 },
  trainer: { type: "sft", max_steps: 1, max_length: 256 },
  lora: { r: 2 },
  export: [
    { type: "gguf", types: ["q8_0"] },
    { type: "gguf_lora" },
    { type: "ollama" },
    { type: "onnx", dtypes: ["q8"] },
  ],
  parity: { prompts: 1, max_completion_length: 4, texts: 2 },
  card: { title: "A story solver", license: "apache-2.0", language: ["en"] },
  evaluation: {
    prompts: { generate: { type: "stories" }, rows: 2, seed: 5 },
    num_generations: 1,
    max_completion_length: 16,
    models: ["base", "student"],
  },
};

before(async () => {
  const recipe = join(folder, "recipe.yaml");
  writeFileSync(recipe, stringify(RECIPE));
  const { code, err } = await distill("run", recipe);
  assert.equal(code, 0, err);
});

test("the card has the hub's front matter, the table with intervals, the prompt format and what runs each file", () => {
  const card = readFileSync(join(run, "README.md"), "utf8");
  const front = /^---\n([\s\S]*?)\n---\n/.exec(card)![1]!;
  const keys = Object.fromEntries(
    front.split("\n").map((line) => [line.slice(0, line.indexOf(":")), JSON.parse(line.slice(line.indexOf(":") + 1))]),
  );
  assert.deepEqual(keys, {
    license: "apache-2.0",
    language: ["en"],
    library_name: "transformers",
    pipeline_tag: "text-generation",
    tags: ["knowledge-distillation", "transformers.js", "onnx", "gguf"],
  });
  assert.match(card, /^# A story solver$/m);
  assert.match(card, /\| base \| [\d.]+ % \| [\d.]+ % – [\d.]+ % \|/);
  assert.match(card, /\| student \| .* \([+−][\d.]+ – [+−][\d.]+\) \|/);
  assert.match(card, /ends with `<\|end\|>`/);
  for (const use of [
    "llama-cli -hf OWNER/NAME --hf-file model-q8_0.gguf",
    "--lora adapter-f16.gguf",
    "ollama create",
    '"OWNER/NAME", { dtype: "q8" }',
  ])
    assert.ok(card.includes(use), use);
});

const HERE = [
  ...["README.md", "adapter-f16.gguf", "adapter/adapter_config.json", "config.json", "generation_config.json"],
  ...["model-q8_0.gguf", "model.safetensors"],
];

test("a dry run says which files would go where, and sends nothing", async () => {
  const hub = await startUploadHub();
  const { code, out } = await withEnvironment({ HF_ENDPOINT: hub.endpoint, HF_TOKEN: TOKENS.writes }, () =>
    distill("push", run, "me/stories", "--dry-run"),
  );
  assert.equal(code, 0);
  for (const file of [...HERE, "ollama/Modelfile", "onnx/model_quantized.onnx"])
    assert.ok(out.includes(`\n${file} `), file);
  assert.match(out, /would go to me\/stories, branch main\. Nothing was sent\./);
  assert.ok(!out.includes("artefact.json"));
  assert.equal(hub.repositories.size, 0);
});

test("what was pushed is what lies in the run, in one commit, and the card names the repository", async () => {
  const hub = await startUploadHub();
  const push = (...more: string[]) =>
    withEnvironment({ HF_ENDPOINT: hub.endpoint, HF_TOKEN: TOKENS.writes }, () =>
      distill("push", run, "me/stories", ...more),
    );
  const { code, out, err } = await push("--private", "--message", "First");
  assert.equal(code, 0, err);
  assert.match(out, /files of [\d.]+ MB are at http/);
  assert.deepEqual([...hub.repositories], [["me/stories", true]]);
  const [commit] = hub.commits;
  assert.deepEqual([commit!.title, commit!.branch], ["First", "main"]);
  const { files } = commit!;
  for (const file of HERE) assert.ok(files.has(file), file);
  assert.deepEqual(files.get("model.safetensors"), readFileSync(join(run, "student/model.safetensors")));
  assert.deepEqual(
    files.get("onnx/model_quantized.onnx"),
    readFileSync(join(run, "export/onnx/onnx/model_quantized.onnx")),
  );
  assert.deepEqual(files.get("config.json"), readFileSync(join(run, "export/onnx/config.json")));
  const card = files.get("README.md")!.toString();
  assert.ok(card.includes('"me/stories"') && !card.includes("OWNER/NAME"));
  for (const [file] of card.matchAll(/\b(?:model|adapter)-\w+\.gguf/g))
    assert.ok(files.has(file), `${file}, which the card names`);
  // into a repository that is there, with less
  assert.equal((await push("--without", "gguf", "gguf_lora", "ollama", "--branch", "small")).code, 0);
  assert.equal(hub.commits[1]!.branch, "small");
  assert.ok(![...hub.commits[1]!.files.keys()].some((path) => path.endsWith(".gguf")));
});

test("what cannot be pushed is a sentence", async () => {
  const hub = await startUploadHub();
  const refused = async (message: RegExp, args: string[], env: Record<string, string> = {}) => {
    const token = { HF_ENDPOINT: hub.endpoint, HF_TOKEN: TOKENS.writes, ...env };
    const { code, err } = await withEnvironment(token, () => distill("push", ...args));
    assert.equal(code, 1);
    assert.match(err, message);
    assert.equal(
      err
        .trim()
        .split("\n")
        .filter((line) => line.startsWith("Error:")).length,
      1,
    );
  };
  await refused(/may not write to me\/stories \(403\)/, [run, "me/stories"], { HF_TOKEN: TOKENS.reads });
  await refused(/does not know the token in HF_TOKEN \(401\)/, [run, "me/stories"], { HF_TOKEN: "hf_other" });
  await refused(/is no token of the hub: those begin with hf_/, [run, "me/stories"], { HF_TOKEN: "secret" });
  await refused(/HF_HUB_OFFLINE is set/, [run, "me/stories"], { HF_HUB_OFFLINE: "1" });
  await refused(/cannot be reached/, [run, "me/stories"], { HF_ENDPOINT: "http://127.0.0.1:9" });
  await refused(/"stories" is no name of a repository/, [run, "stories"]);
  await refused(/is no run/, [folder, "me/stories"]);
  await refused(/there is no part "weights"/, [run, "me/stories", "--without", "weights"]);
  assert.equal(hub.commits.length, 0);
});
