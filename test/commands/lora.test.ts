import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { saveTensors } from "../../src/models/load.ts";
import { COMMAND, distill } from "../support/cli.ts";
import { recipe } from "../support/recipes.ts";
import { scratch, TOKENIZER, writeStudent } from "../support/students.ts";

const base = join(scratch(), "base");
await writeStudent(base);

const lora = { r: 3, lora_alpha: 6, lora_dropout: 0.1, target_modules: "all-linear" };
const trainer = {
  max_length: 128,
  max_steps: 12,
  save_steps: 4,
  logging_steps: 1,
  gradient_accumulation_steps: 2,
  learning_rate: 0.01,
};

/** A recipe that starts from the base. */
const adapting = (changes: Record<string, unknown> = {}) =>
  recipe({ student: { path: base }, tokenizer: TOKENIZER_PATH, trainer, lora, ...changes });
const TOKENIZER_PATH = join(process.cwd(), TOKENIZER);

const losses = (output: string): number[] =>
  readFileSync(join(output, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).loss);

const bytes = (...path: string[]) => readFileSync(join(...path));

function tensorsOf(path: string): Map<string, Uint8Array> {
  const file = openSafetensors(path);
  const tensors = new Map([...file.entries.keys()].map((name) => [name, file.read(name)]));
  file.close();
  return tensors;
}

/** Train, killed once after the checkpoint of step 4. */
async function trainKilled(path: string, output: string): Promise<void> {
  const child = spawn(process.execPath, [...COMMAND, "train", path], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  while (!existsSync(join(output, "checkpoints", "step-4")) && child.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill("SIGKILL");
  await ended;
  assert.equal((await distill("train", path)).code, 0);
}

test("an adapter is trained, saved in PEFT's layout and merged into the student; killed and started again it is the same bit for bit", async () => {
  const [whole, killed] = [adapting(), adapting()];
  const { out, code, err } = await distill("train", whole.path);
  assert.equal(code, 0, err);
  assert.match(out, /19,584 parameters, 2,784 of them trained \(14\.22 %\), 200 examples/);
  assert.ok(losses(whole.output).at(-1)! < losses(whole.output)[0]!);
  const { output } = whole;
  assert.deepEqual(readdirSync(join(output, "adapter")).sort(), [
    "adapter_config.json",
    "adapter_model.safetensors",
    "artefact.json",
  ]);
  const config = JSON.parse(bytes(output, "adapter", "adapter_config.json").toString());
  assert.deepEqual([config.r, config.lora_alpha, config.base_model_name_or_path], [3, 6, base]);

  const [before, after] = [base, join(output, "student")].map((path) => tensorsOf(join(path, "model.safetensors")));
  for (const [name, tensor] of before!)
    assert.equal(Buffer.from(tensor).equals(after!.get(name)!), !name.includes("proj"), name);

  const checkpoint = join(output, "checkpoints", "step-12");
  assert.deepEqual(readdirSync(checkpoint).sort(), [
    "adapter_config.json",
    "adapter_model.safetensors",
    "artefact.json",
    "optimizer.safetensors",
    "trainer.json",
  ]);
  const size = (name: string) => statSync(join(checkpoint, name)).size;
  assert.ok(size("adapter_model.safetensors") < statSync(join(base, "model.safetensors")).size / 3);

  await trainKilled(killed.path, killed.output);
  for (const file of ["adapter/adapter_model.safetensors", "student/model.safetensors"])
    assert.ok(bytes(killed.output, file).equals(bytes(output, file)), file);
  assert.deepEqual(losses(killed.output), losses(output));

  // from the adapter: one that is trained on, and one that is merged into the base
  const student = { path: base, adapter: join(output, "adapter") };
  const further = adapting({ student, lora: { ...lora, lora_dropout: 0 } });
  assert.equal((await distill("train", further.path)).code, 0);
  assert.ok(losses(further.output)[0]! < losses(output)[0]! - 0.1, `${losses(further.output)} after ${losses(output)}`);
  const merging = recipe({ student, tokenizer: TOKENIZER_PATH, trainer: { ...trainer, max_steps: 1 } });
  assert.equal((await distill("train", merging.path)).code, 0);
  assert.ok(
    bytes(merging.output, "base-with-adapter", "model.safetensors").equals(bytes(output, "student/model.safetensors")),
  );
  assert.match((await distill("train", merging.path)).out, /Everything was up to date/);

  const refused = async (changes: Record<string, unknown>, message: RegExp) => {
    const { code, err } = await distill("train", adapting({ student, ...changes }).path);
    assert.equal(code, 1);
    assert.match(err, message);
  };
  await refused({ lora: { ...lora, r: 4 } }, /adapter has r 3, and the recipe's lora has 4\. Set lora\.r to 3\./);
  await refused(
    { lora: { ...lora, target_modules: ["q_proj"] } },
    /is beside 14 linear layers, and .* names 2, not the same/,
  );
  await refused({ student: { path: base, adapter: "nowhere" } }, /Adapter not found: .*nowhere/);
});

/** A copy of an adapter with other keys in its configuration. */
function withConfig(adapter: string, changes: object): string {
  const folder = join(scratch(), "changed");
  cpSync(adapter, folder, { recursive: true });
  const path = join(folder, "adapter_config.json");
  writeFileSync(path, JSON.stringify({ ...JSON.parse(bytes(path).toString()), ...changes }));
  return folder;
}

/** The student that a recipe makes of the base with an adapter merged into it. */
async function merged(adapter: string): Promise<Buffer> {
  const path = recipe({
    student: { path: base, adapter },
    tokenizer: TOKENIZER_PATH,
    trainer: { ...trainer, max_steps: 1 },
  });
  const { code, err } = await distill("train", path.path);
  assert.equal(code, 0, err);
  return bytes(path.output, "base-with-adapter", "model.safetensors");
}

const SAVING = {
  ...lora,
  target_modules: ".*_proj",
  exclude_modules: ["o_proj"],
  rank_pattern: { "layers\\.0\\..*": 2 },
  alpha_pattern: { q_proj: 4 },
  modules_to_save: ["embed_tokens", "model.norm"],
  use_dora: true,
};

test("ranks by pattern, DoRA and modules to save: killed and started again, merged and trained on, all is as it was left", async () => {
  const changes = { lora: SAVING, trainer: { ...trainer, base_dtype: "bfloat16" } };
  const [whole, killed] = [adapting(changes), adapting(changes)];
  const plain = adapting();
  assert.equal((await distill("train", plain.path)).code, 0);
  const { code, err } = await distill("train", whole.path);
  assert.equal(code, 0, err);
  assert.ok(Math.abs(losses(whole.output)[0]! - losses(plain.output)[0]!) < 0.01, "a new adapter changes nothing");
  assert.ok(losses(whole.output).at(-1)! < losses(whole.output)[0]!);
  await trainKilled(killed.path, killed.output);
  for (const file of ["adapter/adapter_model.safetensors", "student/model.safetensors"])
    assert.ok(bytes(killed.output, file).equals(bytes(whole.output, file)), file);

  const adapter = join(whole.output, "adapter");
  const config = JSON.parse(bytes(adapter, "adapter_config.json").toString());
  assert.deepEqual(config.modules_to_save, ["model.embed_tokens", "model.norm"]);
  assert.deepEqual(
    [config.rank_pattern, config.alpha_pattern, config.use_dora],
    [SAVING.rank_pattern, SAVING.alpha_pattern, true],
  );
  assert.equal(config.ensure_weight_tying, true);
  const [before, student, kept] = [
    join(base, "model.safetensors"),
    join(whole.output, "student/model.safetensors"),
    join(adapter, "adapter_model.safetensors"),
  ].map(tensorsOf);
  for (const name of ["model.embed_tokens.weight", "model.norm.weight"]) {
    assert.ok(!Buffer.from(before!.get(name)!).equals(student!.get(name)!), name);
    assert.ok(Buffer.from(student!.get(name)!).equals(kept!.get(`base_model.model.${name}`)!), name);
  }
  const embedding = kept!.get("base_model.model.model.embed_tokens.weight")!;
  assert.ok(
    Buffer.from(embedding).equals(kept!.get("base_model.model.lm_head.weight")!),
    "both names of a tied weight",
  );

  const student_ = { path: base, adapter };
  const further = adapting({ ...changes, student: student_, lora: { ...SAVING, lora_dropout: 0 } });
  const result = await distill("train", further.path);
  assert.equal(result.code, 0, result.err);
  assert.ok(losses(further.output)[0]! < losses(whole.output)[0]! - 0.1);
  const refused = async (lora: object, message: RegExp) => {
    const { code, err } = await distill("train", adapting({ student: student_, lora }).path);
    assert.equal(code, 1);
    assert.match(err, message);
  };
  await refused(
    { ...SAVING, modules_to_save: ["embed_tokens"] },
    /Give lora the modules_to_save of its adapter_config\.json/,
  );
  await refused(
    { ...SAVING, rank_pattern: null },
    /has rank 2 and scaling .* Give lora the rank_pattern and alpha_pattern/,
  );
  await refused({ ...SAVING, use_dora: false }, /has use_dora true, and the recipe's lora has false/);
  await refused({ ...SAVING, alpha_pattern: { qproj: 4 } }, /lora\.alpha_pattern: no target is matched by "qproj"/);
});

test("an adapter that began with pissa or olora is trained on from the base that it has moved", async () => {
  const first = adapting({ lora: { ...lora, lora_dropout: 0 } });
  assert.equal((await distill("train", first.path)).code, 0);
  const beside = await merged(join(first.output, "adapter"));
  for (const init_lora_weights of ["pissa", "olora"]) {
    const adapter = withConfig(join(first.output, "adapter"), { init_lora_weights });
    assert.ok(!(await merged(adapter)).equals(beside), `${init_lora_weights} moves the base`);
    const further = adapting({ student: { path: base, adapter }, lora: { ...lora, lora_dropout: 0 } });
    const { code, err } = await distill("train", further.path);
    assert.equal(code, 0, err);
    const left = join(further.output, "adapter");
    assert.equal(JSON.parse(bytes(left, "adapter_config.json").toString()).init_lora_weights, init_lora_weights);
    assert.ok((await merged(left)).equals(bytes(further.output, "student/model.safetensors")));
  }
});

test("weights beside an adapter are the model's, or they are refused in one sentence", async () => {
  const first = adapting();
  assert.equal((await distill("train", first.path)).code, 0);
  const adapter = join(first.output, "adapter");
  const halves = tensorsOf(join(adapter, "adapter_model.safetensors"));
  const with_ = async (name: string, shape: number[], config: object = {}) => {
    const folder = withConfig(adapter, config);
    const path = join(adapter, "adapter_model.safetensors");
    const file = openSafetensors(path);
    const tensors = [...file.entries].map(([name, { shape }]) => ({ name, shape }));
    file.close();
    const ours = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.25);
    await saveTensors(join(folder, "adapter_model.safetensors"), [...tensors, { name, shape }], async (wanted) =>
      wanted === name ? ours : new Float32Array(halves.get(wanted)!.slice().buffer),
    );
    return folder;
  };
  const rows = JSON.parse(bytes(base, "config.json").toString()).vocab_size as number;
  const width = JSON.parse(bytes(base, "config.json").toString()).hidden_size as number;
  const embedding = "base_model.model.model.embed_tokens.weight";
  const replaced = await with_(embedding, [rows, width]);
  const output = await merged(replaced);
  assert.ok(output.includes(Buffer.from(new Float32Array(rows * width).fill(0.25).buffer)));
  const refused = async (adapter: string, message: RegExp, changes: object = { lora: undefined }) => {
    const { code, err } = await distill("train", adapting({ student: { path: base, adapter }, ...changes }).path);
    assert.equal(code, 1);
    assert.match(err, message);
    assert.doesNotMatch(err, /\n\s+at /, "no stack");
  };
  await refused(replaced, /holds base_model.*embed_tokens\.weight and does not name it in modules_to_save/, { lora });
  await refused(
    await with_(embedding, [rows + 8, width]),
    /has shape \[\d+,\d+\], and the model's weight .*resize_token_embeddings/,
  );
  await refused(
    await with_("base_model.model.score.weight", [2, width]),
    /nor a weight of the model, which has no score\.weight/,
  );
  await refused(
    await with_("base_model.model.model.embed_tokens.lora_embedding_A", [2, rows]),
    /"base_model.*lora_embedding_A" is not known/,
  );
  const parted = { modules_to_save: ["embed_tokens"] };
  await refused(
    await with_(embedding, [rows, width], parted),
    /parts model\.embed_tokens\.weight from the head.*ensure_weight_tying/,
  );
  const absent = withConfig(adapter, { modules_to_save: ["norm"] });
  await refused(absent, /has no tensor of model\.layers\.0\.input_layernorm\.weight, and modules_to_save/);
  const slow = withConfig(adapter, { rank_pattern: { "(.*.*)*x": 2 } });
  await refused(slow, /adapter_config\.json does not fit the model: rank_pattern: .*takes longer than a second/);
  await refused(
    withConfig(adapter, { init_lora_weights: "pissa_niter_16" }),
    /init_lora_weights: "pissa_niter_16" takes a part/,
  );
});

test("weights that a pattern freezes stay as they are, are in no checkpoint, and lie in memory as the recipe says", async () => {
  const changes = { freeze: ["model.embed_tokens.*", "model.layers.0.*"], base_dtype: "bfloat16" };
  const [whole, killed] = [false, true].map(() => adapting({ lora: undefined, trainer: { ...trainer, ...changes } }));
  const { code, err } = await distill("train", whole!.path);
  assert.equal(code, 0, err);
  const before = tensorsOf(join(base, "model.safetensors"));
  const after = tensorsOf(join(whole!.output, "student", "model.safetensors"));
  const kept = tensorsOf(join(whole!.output, "checkpoints", "step-12", "model.safetensors"));
  for (const [name, tensor] of before) {
    const frozen = name.startsWith("model.embed_tokens.") || name.startsWith("model.layers.0.");
    const rounded = frozen && !name.includes("norm") ? roundedToBfloat16(tensor) : tensor;
    assert.equal(Buffer.from(rounded).equals(after.get(name)!), frozen, name);
    assert.equal(kept.has(name), !frozen, name);
  }
  await trainKilled(killed!.path, killed!.output);
  assert.ok(
    bytes(killed!.output, "student/model.safetensors").equals(bytes(whole!.output, "student/model.safetensors")),
  );
});

/** Float32 numbers with the lower half of their bits rounded away, ties to even. */
function roundedToBfloat16(tensor: Uint8Array): Uint8Array {
  const bits = new Uint32Array(tensor.slice().buffer);
  return new Uint8Array(bits.map((b) => (b + 0x7fff + ((b >>> 16) & 1)) & 0xffff0000).buffer);
}

const BAD: [name: string, changes: Record<string, unknown>, message: RegExp][] = [
  [
    "a target that is no linear layer",
    { lora: { ...lora, target_modules: ["qproj"] } },
    /lora\.target_modules: no linear layer is called "qproj"\. Expected all-linear, or some of: q_proj, /,
  ],
  ["a misspelt key of lora", { lora: { rank: 8 } }, /lora: unknown key "rank"/],
  ["a rank of zero", { lora: { r: 0 } }, /lora\.r: /],
  [
    "a misspelt target",
    { lora: { target_modules: "all" } },
    /lora\.target_modules: no linear layer's name is matched by "all"\. Expected "all-linear", a list of names, or a regular/,
  ],
  ["patterns beside an adapter", { trainer: { freeze: ["*norm*"] } }, /trainer\.freeze: with lora all/],
  [
    "a type of frozen weights of which there are none",
    { lora: undefined, trainer: { base_dtype: "q8_0" } },
    /trainer\.base_dtype: only weights that are not trained/,
  ],
  [
    "a pattern of no weight",
    { lora: undefined, trainer: { freeze: ["embed"] } },
    /trainer\.freeze: no weight is called "embed"/,
  ],
];

for (const [name, changes, message] of BAD)
  test(`${name} is one sentence and code 1`, async () => {
    const { code, err } = await distill("train", adapting(changes).path);
    assert.equal(code, 1, err);
    assert.match(err.trim(), message);
    assert.doesNotMatch(err, /\n\s+at /, "no stack");
  });
