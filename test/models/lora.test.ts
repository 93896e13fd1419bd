import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapterConfig, readAdapterOptions } from "../../src/models/adapter-folder.ts";
import { loadAdapter } from "../../src/models/adapter-weights.ts";
import type * as families from "../../src/models/index.ts";
import { createModel, loadWeights, type ModelConfig, saveTensors } from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import { saveModel, writeWeight } from "../../src/trainers/checkpoint.ts";
import { testDevice } from "../support/finite-differences.ts";
import { logitsOf, prepareLora, randomAdapter } from "../support/lora.ts";
import { scratch } from "../support/students.ts";
import { batchOf, prepare, segment, TOY } from "../support/training.ts";

const SMALL: Record<keyof typeof families, object> = {
  llama: { tie_word_embeddings: false },
  qwen2: {},
  qwen3: { head_dim: 16 },
  gemma3_text: { head_dim: 16, sliding_window: 8, sliding_window_pattern: 2, query_pre_attn_scalar: 16 },
};
const folder = scratch();

function largestDifference(a: Float32Array, b: Float32Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((largest, x, i) => Math.max(largest, Math.abs(x - b[i]!)), 0);
}

for (const [model_type, changes] of Object.entries(SMALL)) {
  const config = { ...TOY, ...changes, model_type };
  const target_modules = model_type === "llama" ? ["q_proj", "down_proj", "lm_head"] : ("all-linear" as const);

  // many tokens are multiplied by the merged weight, few side by side
  for (const length of [48, 16])
    test(`${model_type}: a new adapter changes nothing, and a merged one is as one at the side, ${length} tokens`, async () => {
      const device = await testDevice();
      const batch = batchOf([[segment(1, length - 5), segment(2, 5)]], length);
      const plain = await logitsOf(device, await prepare(device, config), batch);
      const fresh = await prepareLora(device, config, { target_modules });
      assert.deepEqual(await logitsOf(device, fresh, batch), plain);
      const model = await prepareLora(device, config, { target_modules }, { random: true });
      const beside = await logitsOf(device, model, batch);
      assert.ok(largestDifference(beside, plain) > 0.01);
      const path = join(folder, `${model_type}-${length}`);
      mkdirSync(path);
      await saveModel(device, model, config, path);
      const merged = createModel(config, path);
      for (const weight of loadWeights(path, merged)) await writeWeight(device, merged, weight);
      const difference = largestDifference(await logitsOf(device, merged, batch), beside);
      assert.ok(difference < 1e-5, `${difference}`);
    });
}

test("an adapter that is written and read is the same bit for bit, in PEFT's layout", async () => {
  const options = LoraOptions.parse({ r: 3, lora_alpha: 5, use_rslora: true, target_modules: ["v_proj", "up_proj"] });
  const model = createModel(TOY, "test", { lora: options });
  const weights = new Map([...randomAdapter(model)].map(({ name, data }) => [name, data]));
  const path = join(folder, "adapter");
  mkdirSync(path);
  await saveTensors(join(path, ADAPTER_WEIGHTS), model.adapter!.parameters, async (name) => weights.get(name)!);
  writeFileSync(join(path, ADAPTER_CONFIG), JSON.stringify(adapterConfig(model.adapter!, "base")));
  assert.ok(weights.has("base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight"));
  const { target_modules, ...read } = readAdapterOptions(path);
  assert.deepEqual(read, { r: 3, lora_alpha: 5, lora_dropout: 0, use_rslora: true });
  const again = createModel(TOY, "test", { lora: { ...read, target_modules } }).adapter!;
  assert.deepEqual(again.targets, model.adapter!.targets);
  assert.equal([...again.targets.values()][0]!.scaling, 5 / Math.sqrt(3));
  for (const { name, data } of loadAdapter(path, again)) assert.deepEqual(data, weights.get(name), name);

  const config = JSON.parse(readFileSync(join(path, ADAPTER_CONFIG), "utf8"));
  const refused = (changes: object, message: RegExp) => {
    writeFileSync(join(path, ADAPTER_CONFIG), JSON.stringify({ ...config, ...changes }));
    assert.throws(
      () => readAdapterOptions(path),
      (error) => error instanceof DistillError && message.test(error.message),
    );
  };
  refused({ peft_type: "IA3" }, /peft_type/);
  refused({ use_dora: true }, /has no tensor "base_model\.model\..*v_proj\.lora_magnitude_vector"/);
  refused({ alpha_pattern: { q_proj: 0 } }, /alpha_pattern\.q_proj: /);
  refused({ trainable_token_indices: [1] }, /trainable_token_indices: is not read here\. Merge it with PEFT/);
  for (const init of ["pissa_niter_4", "corda", "corda_ipm", "lora_ga", "LoftQ", "olora2", "toString"])
    refused({ init_lora_weights: init }, /init_lora_weights: ".*" .*path_initial_model_for_weight_conversion/);
  for (const init of [true, false, null, "gaussian", "Gaussian", "orthogonal", "eva", "mica"]) {
    writeFileSync(join(path, ADAPTER_CONFIG), JSON.stringify({ ...config, init_lora_weights: init }));
    assert.deepEqual(readAdapterOptions(path).target_modules, target_modules);
  }
  // a path of another machine, and options that have done their work
  const foreign = { base_model_name_or_path: "/root/x/base", layers_to_transform: [7], target_modules: "(a+)+$" };
  writeFileSync(join(path, ADAPTER_CONFIG), JSON.stringify({ ...config, ...foreign }));
  assert.deepEqual(readAdapterOptions(path), { ...read, target_modules });
  // as the first versions of PEFT wrote it
  writeFileSync(
    join(path, ADAPTER_CONFIG),
    JSON.stringify({ peft_type: "LORA", r: 3, lora_alpha: 5, use_rslora: true }),
  );
  assert.deepEqual(readAdapterOptions(path), { ...read, target_modules });
  const wide = createModel(TOY, "test", { lora: { ...read, target_modules, r: 1e9 } }).adapter!;
  assert.throws(() => [...loadAdapter(path, wide)], /has shape \[3,32\], and the model's config asks for/);
  rmSync(join(path, ADAPTER_WEIGHTS));
  writeFileSync(join(path, "adapter_model.bin"), "");
  assert.throws(() => readAdapterOptions(path), /holds no adapter_model\.safetensors\. Save it with safetensors/);
});

test("A of a new adapter is uniform within 1/√in, the same for the same seed, and B is zero", async () => {
  const device = await testDevice();
  const model = await prepareLora(device, TOY, { r: 64 });
  for (const { name, shape } of model.adapter!.parameters) {
    const data = (await device.read(name)).data as Float32Array;
    if (name.includes("lora_B")) assert.ok(data.every((x) => x === 0));
    else {
      const bound = 1 / Math.sqrt(shape[1]!);
      const deviation = Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);
      assert.ok(data.every((x) => Math.abs(x) <= bound));
      assert.ok(Math.abs(deviation / bound - 1 / Math.sqrt(3)) < 0.05, `${deviation / bound}`);
    }
  }
});

test("target_modules are whole names, ends of names or all linear layers but the head; others are refused by name", () => {
  const untied: ModelConfig = { ...TOY, tie_word_embeddings: false };
  const targets = (target_modules: LoraOptions["target_modules"], config = untied) => [
    ...createModel(config, "test", { lora: LoraOptions.parse({ target_modules }) }).adapter!.targets.keys(),
  ];
  assert.equal(targets("all-linear").length, 14);
  assert.deepEqual(targets(["lm_head"]), ["lm_head"]);
  assert.deepEqual(targets(["model.layers.1.mlp.up_proj", "k_proj"]), [
    "model.layers.0.self_attn.k_proj",
    "model.layers.1.self_attn.k_proj",
    "model.layers.1.mlp.up_proj",
  ]);
  const known = /Expected all-linear, or some of: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj\.$/;
  for (const name of ["proj", "model.norm"]) assert.throws(() => targets([name], TOY), known);
  const throws = (names: string | string[], sentence: RegExp) =>
    assert.throws(() => targets(names, TOY), { name: "DistillError", message: sentence });
  throws(
    ["q_proj", "embed_tokens"],
    /^lora\.target_modules: model\.embed_tokens is no linear layer\. .*modules_to_save/,
  );
  const tied =
    /^lora\.target_modules: lm_head has no weight of its own: .*tie_word_embeddings.*modules_to_save: \[embed_tokens\]/;
  for (const names of [["lm_head"], ["q_proj", "lm_head"], ".*(q_proj|lm_head)"]) throws(names, tied);
});

test("targets are also chosen by one regular expression, by layers, without some, and have ranks and scales by patterns", () => {
  const untied: ModelConfig = { ...TOY, tie_word_embeddings: false };
  const adapter = (lora: object, config = untied) =>
    createModel(config, "test", { lora: LoraOptions.parse({ r: 4, lora_alpha: 6, ...lora }) }).adapter!;
  const targets = (lora: object) => [...adapter(lora).targets.keys()].map((name) => name.replace("model.layers.", ""));
  assert.deepEqual(targets({ target_modules: ".*\\.1\\..*[kv]_proj" }), ["1.self_attn.k_proj", "1.self_attn.v_proj"]);
  assert.deepEqual(targets({ target_modules: "lm_head|nothing" }), ["lm_head"]); // the whole name, in each branch
  assert.deepEqual(targets({ target_modules: ["k_proj"], layers_to_transform: 1 }), ["1.self_attn.k_proj"]);
  assert.deepEqual(
    targets({ target_modules: ["k_proj", "q_proj"], layers_to_transform: [0], exclude_modules: ["q_proj"] }),
    ["0.self_attn.k_proj"],
  );
  assert.deepEqual(targets({ exclude_modules: ".*mlp.*|.*\\.0\\..*" }).length, 4);
  assert.deepEqual(targets({ target_modules: ["k_proj", "lm_head"], modules_to_save: ["lm_head"] }).length, 2);

  const { targets: ranked } = adapter({
    rank_pattern: { "0.self_attn.[qk]_proj": 2, q_proj: 3 },
    alpha_pattern: { "model\\.layers\\.1.*": 12, down_pro: 99, own_proj: 99 },
    use_rslora: true,
  });
  const found = (name: string) => {
    const { r, scaling } = ranked.get(`model.layers.${name}`)!;
    return [r, Math.round(scaling * Math.sqrt(r))];
  };
  assert.deepEqual(found("0.self_attn.q_proj"), [2, 6]); // the first pattern counts
  assert.deepEqual(found("1.self_attn.q_proj"), [3, 12]);
  assert.deepEqual(found("0.mlp.down_proj"), [4, 6]); // a pattern is of the end of a name, and of whole parts
  assert.deepEqual(found("1.mlp.down_proj"), [4, 12]);

  const saved = (modules_to_save: string[], config = untied) =>
    adapter({ modules_to_save, target_modules: ["k_proj"] }, config).saved.map(({ name }) => name);
  assert.deepEqual(saved(["model.norm", "lm_head"]), ["model.norm.weight", "lm_head.weight"]);
  assert.deepEqual(saved(["embed_tokens"], TOY), ["model.embed_tokens.weight"]);
  assert.equal(saved(["norm"]).length, 5);
  assert.equal(saved(["layers.1.mlp"]).length, 3);

  const refused = (lora: object, message: RegExp, config = untied) =>
    assert.throws(
      () => adapter(lora, config),
      (error) => error instanceof DistillError && message.test(error.message),
    );
  refused({ target_modules: "(" }, /lora\.target_modules: "\(" is not a regular expression/);
  refused({ target_modules: "a)|(b" }, /is not a regular expression/);
  refused({ target_modules: "(?P<x>.*)" }, /has an expression that only Python knows/);
  refused({ target_modules: ".*\\Z" }, /has an expression that only Python knows/);
  refused({ target_modules: "q_proj" }, /no linear layer's name is matched by "q_proj"/);
  refused({ target_modules: "(.*.*)*.*(.*.*)*x" }, /takes longer than a second/);
  refused({ rank_pattern: { "(.*.*)*x": 2 } }, /lora\.rank_pattern: .*takes longer than a second/);
  refused(
    { target_modules: ["q_proj"], layers_to_transform: [0, 2] },
    /no target is in layer 2\. Expected numbers from 0 to 1/,
  );
  refused({ layers_to_transform: 1 }, /lora\.layers_to_transform: target_modules is "all-linear"/);
  refused({ exclude_modules: ".*" }, /none of the 15 linear layers is left as a target/);
  refused({ modules_to_save: ["lm-head"] }, /no module of the model has a name that ends in "lm-head"/);
  refused({ modules_to_save: ["lm_head"] }, /the head's weight is that of model\.embed_tokens/, TOY);
  refused({ modules_to_save: ["q_proj_x", "_proj"] }, /ends in "q_proj_x"/);
  refused({ modules_to_save: ["_proj"] }, /q_proj is one of target_modules and of modules_to_save/);
});

after(async () => (await testDevice()).close());
