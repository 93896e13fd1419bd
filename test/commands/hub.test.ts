import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { fromHub } from "../../src/commands/stages/hub.ts";
import { readRecipe } from "../../src/recipe/recipe.ts";
import { distill, startDistill, withEnvironment } from "../support/cli.ts";
import { type FakeFiles, sha256, startHub } from "../support/hub.ts";
import { scratch, writeStudent } from "../support/students.ts";

/** A tiny model as files of a repository. */
async function modelFiles(seed = 3): Promise<FakeFiles> {
  const folder = join(scratch(), "model");
  await writeStudent(folder, { vocab_size: 40 }, seed);
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
}

const ROWS = ["1+1=?", "2*3=?", "7-5=?"].map((prompt) => JSON.stringify({ prompt, completion: "2" })).join("\n");

function writeRecipe(folder: string, changes: Record<string, unknown> = {}): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "recipe.yaml");
  const whole = {
    name: "from-hub",
    output: "run",
    device: "cpu",
    threads: 1,
    student: { path: "hf:some/student" },
    dataset: { path: "hf:datasets/some/sums@v1:data/train.jsonl" },
    trainer: { max_length: 32, max_steps: 1 },
    ...changes,
  };
  writeFileSync(path, stringify(whole));
  return path;
}

test("a student from the hub is fetched through kills and Ctrl-C, trained, and known by its commit", async () => {
  const hub = await startHub();
  const files = await modelFiles();
  const weights = files["model.safetensors"] as Buffer;
  const commit = hub.commit("some/student", files);
  hub.commit("datasets/some/sums", { "data/train.jsonl": ROWS }, "v1");
  const folder = scratch();
  const recipe = writeRecipe(folder);
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(folder, "cache"), HF_TOKEN: "", HF_HUB_OFFLINE: "" };
  const partial = join(folder, "cache", "models--some--student", "blobs", `${sha256(weights)}.incomplete`);
  const size = () => (existsSync(partial) ? statSync(partial).size : 0);

  hub.faults.slow = { file: "model.safetensors", bytes: 500, ms: 20 };
  let had = 0;
  for (const signal of ["SIGKILL", "SIGINT"] as const) {
    const { child, ended } = startDistill(["train", recipe], env);
    while (size() < had + 1500 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill(signal);
    const { code, out, err } = await ended;
    assert.equal(code, signal === "SIGINT" ? 130 : null, err);
    if (signal === "SIGINT") assert.match(out, /Stopped\. The same command continues from there\./);
    assert.ok(size() > had && size() < weights.length);
    had = size();
  }
  hub.faults.slow = undefined;
  const first = await withEnvironment(env, () => distill("train", recipe));
  assert.equal(first.code, 0, first.err);
  const asked = () => hub.requests.filter(({ path }) => path === `/${sha256(weights)}`).map(({ range }) => range);
  const ranges = asked();
  assert.equal(ranges.length, 3);
  assert.ok(Number(/^bytes=(\d+)-$/.exec(ranges[1]!)![1]) >= 1500);
  assert.equal(ranges[2], `bytes=${had}-`);

  const manifest = () => JSON.parse(readFileSync(join(folder, "run", "manifest.json"), "utf8"));
  assert.equal(manifest().recipe.student.path, `hf:some/student@${commit}`);
  assert.match(manifest().recipe.dataset.path, /^hf:datasets\/some\/sums@[0-9a-f]{40}:data\/train\.jsonl$/);
  assert.equal(manifest().stages.train.inputs.student, `hf:some/student@${commit}`);
  assert.equal(manifest().stages.train.inputs.dataset, manifest().recipe.dataset.path);
  assert.equal(manifest().stages.train.inputs.tokenizer, `hf:some/student@${commit}`);

  const next = hub.commit("some/student", await modelFiles(4));
  const pinned = await withEnvironment(env, () => distill("train", recipe, `student.path=hf:some/student@${commit}`));
  assert.match(pinned.out, /Everything was up to date/);
  const planned = await withEnvironment(env, () => distill("plan", recipe));
  const short = (sha: string) => `"hf:some/student@${sha.slice(0, 12)}`;
  assert.match(planned.out, new RegExp(`train +runs: student changed from ${short(commit)}.* to ${short(next)}`));
  const inspected = await withEnvironment(env, () => distill("inspect", recipe));
  assert.match(inspected.out, /^dataset .*train\.jsonl\ntemplate +none.*\nrows +3\n/);
  assert.equal(asked().length, 3, "neither a plan nor a look at the rows fetches weights");
  await hub.close();
  const offline = await withEnvironment(env, () => distill("train", recipe, `student.path=hf:some/student@${commit}`));
  assert.match(offline.out, /Everything was up to date/);
  assert.match(offline.err, /The hub cannot be reached .*; hf:some\/student@[0-9a-f]{40} is taken from the cache/);
  const absent = await withEnvironment(env, () => distill("train", recipe, "student.path=hf:some/other"));
  assert.equal(absent.code, 1);
  assert.match(absent.err, /^Error: hf:some\/other@main is not in the cache \(.*\n$/);
});

test("of a repository the files are taken that its place in the recipe needs", async () => {
  const hub = await startHub();
  const index = { weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" } };
  const folder = scratch();
  hub.commit("some/sharded", {
    "README.md": "",
    "chat_template.jinja": "x",
    "config.json": "{}",
    "consolidated.safetensors": "c",
    "model-00001-of-00002.safetensors": "a",
    "model-00002-of-00002.safetensors": "b",
    "model.safetensors.index.json": JSON.stringify(index),
    "pytorch_model.bin": "p",
    "tokenizer.json": "{}",
    "tokenizer_config.json": "{}",
  });
  hub.commit("some/adapter", { "adapter_config.json": "{}", "adapter_model.safetensors": "a", "README.md": "" });
  hub.commit("some/gguf", { "config.json": "{}", "model-q4_0.gguf": "q4" });
  hub.commit("some/ggufs", { "model-f16.gguf": "f16", "model-q4_0.gguf": "q4" });
  hub.commit("some/onnx", {
    "config.json": "{}",
    "onnx/model.onnx": "32",
    "onnx/model_q4.onnx": "q4",
    "onnx/model_q4.onnx_data": "data",
    "tokenizer.json": "{}",
    "tokenizer_config.json": "{}",
  });
  const saved = { ...process.env };
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(folder, "cache") });
  delete process.env.HF_HUB_OFFLINE;
  try {
    const sampling = {
      sampling: { prompts: { path: "prompts.jsonl" } },
      rewards: [{ type: "format" }],
      dataset: undefined,
    };
    const taken = async (
      changes: Record<string, unknown>,
      weights: ("student" | "teacher")[] = ["student", "teacher"],
    ) => {
      const path = writeRecipe(folder, { dataset: { path: "rows.jsonl" }, student: { path: "base" }, ...changes });
      return (await fromHub(readRecipe(path), { weights }))!;
    };
    const filesOf = (place: string) =>
      (readdirSync(place, { recursive: true }) as string[]).filter((name) => name !== "onnx").sort();
    const tokenizer = ["chat_template.jinja", "tokenizer.json", "tokenizer_config.json"];

    const tokenized = await taken({ tokenizer: "hf:some/sharded" });
    assert.deepEqual(filesOf(tokenized.recipe.tokenizer!), tokenizer);
    assert.deepEqual(tokenized.recipe.student, { path: join(folder, "base") });
    const planned = await taken({ student: { path: "hf:some/sharded" }, tokenizer: "hf:some/sharded" }, []);
    const place = (planned.recipe.student as { path: string }).path;
    assert.equal(planned.recipe.tokenizer, place);
    assert.deepEqual(filesOf(place), [...tokenizer, "config.json"].sort());
    await taken({ student: { path: "hf:some/sharded" }, tokenizer: "hf:some/sharded" });
    const shards = Object.values(index.weight_map);
    assert.deepEqual(filesOf(place), [...tokenizer, "config.json", "model.safetensors.index.json", ...shards].sort());

    const adapted = await taken({ student: { path: "base", adapter: "hf:some/adapter" } });
    const { adapter } = adapted.recipe.student as { adapter: string };
    assert.deepEqual(filesOf(adapter), ["adapter_config.json", "adapter_model.safetensors"]);
    assert.match((adapted.pinned.student as { adapter: string }).adapter, /^hf:some\/adapter@[0-9a-f]{40}$/);
    assert.match(adapted.hub.get(adapter)!, /^hf:some\/adapter@/);

    const teacher = async (path: string, type = "llama_cpp") =>
      (await taken({ ...sampling, teacher: { type, path } })).recipe;
    const named = ({ teacher }: { teacher?: object | undefined }) => (teacher as { path: string }).path;
    assert.match(
      named(await teacher("hf:some/gguf")),
      /models--some--gguf\/snapshots\/[0-9a-f]{40}\/model-q4_0\.gguf$/,
    );
    assert.match(named(await teacher("hf:some/ggufs:model-f16.gguf")), /model-f16\.gguf$/);
    await assert.rejects(
      teacher("hf:some/ggufs"),
      /hf:some\/ggufs@main has 2 GGUF files: model-f16\.gguf, model-q4_0\.gguf\. Name one behind a colon, such as hf:some\/ggufs@main:model-f16\.gguf/,
    );
    await assert.rejects(
      teacher("hf:some/onnx", "transformers"),
      /has no ONNX file\. Name a file of it behind a colon, such as hf:some\/onnx@main:onnx\/model_q4\.onnx\./,
    );
    const onnx = named(await teacher("hf:some/onnx:onnx/model_q4.onnx", "transformers"));
    assert.deepEqual(filesOf(join(onnx, "..", "..")), [
      "config.json",
      "onnx/model_q4.onnx",
      "onnx/model_q4.onnx_data",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    assert.equal(named(await teacher("hf:some/sharded", "engine")), place);
    await assert.rejects(teacher("hf:some/gguf:model-q4_0.gguf", "engine"), /The teacher is a folder on the hub/);
    await assert.rejects(
      taken({ dataset: { path: "hf:datasets/some/sums" } }),
      /names a dataset without a file of it|does not give hf:datasets\/some\/sums@main \(401\)/,
    );
    await assert.rejects(taken({ tokenizer: "hf:nonsense" }), /"hf:nonsense" is not a reference to the hub/);
  } finally {
    for (const name of ["HF_ENDPOINT", "HF_HUB_CACHE", "HF_HUB_OFFLINE"]) delete process.env[name];
    Object.assign(process.env, saved);
  }
});

test("an adapter is trained beside a student from the hub and names it; from there it is merged and trained on", async () => {
  const hub = await startHub();
  hub.commit("some/student", await modelFiles());
  hub.commit("datasets/some/sums", { "data/train.jsonl": ROWS }, "v1");
  const folder = scratch();
  const recipe = writeRecipe(folder, { lora: { r: 2 } });
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(folder, "cache"), HF_TOKEN: "", HF_HUB_OFFLINE: "" };
  const first = await withEnvironment(env, () => distill("train", recipe));
  assert.equal(first.code, 0, first.err);
  const adapter = join(folder, "run", "adapter");
  const files = Object.fromEntries(readdirSync(adapter).map((name) => [name, readFileSync(join(adapter, name))]));
  assert.equal(JSON.parse(`${files["adapter_config.json"]}`).base_model_name_or_path, "some/student");
  const commit = hub.commit("some/adapter", { "README.md": "", ...files });
  const again = ["lora.lora_alpha=8", "student.adapter=hf:some/adapter", `output=${join(folder, "again")}`];
  const planned = await withEnvironment(env, () => distill("plan", recipe, ...again));
  assert.match(planned.out, /train +runs: not run yet/, planned.err);
  const second = await withEnvironment(env, () => distill("train", recipe, ...again));
  assert.equal(second.code, 0, second.err);
  const { inputs } = JSON.parse(readFileSync(join(folder, "again", "manifest.json"), "utf8")).stages.train;
  assert.equal(inputs.adapter, `hf:some/adapter@${commit}`);
  const merged = readFileSync(join(folder, "again", "base-with-adapter", "model.safetensors"));
  assert.ok(merged.equals(readFileSync(join(folder, "run", "student", "model.safetensors"))));
  await hub.close();
});
