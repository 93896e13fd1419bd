import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256 } from "../../src/core/hash.ts";
import { writeDataset } from "../../src/data/dataset-folder.ts";
import { acceptedTable } from "../../src/data/traces.ts";
import { readRecipe } from "../../src/recipe/recipe.ts";
import { COMMAND, distill, startDistill } from "../support/cli.ts";
import { recipe } from "../support/recipes.ts";

test("a run that is killed and started again ends as the run that was not, bit for bit", async () => {
  const [whole, killed] = [recipe(), recipe()];
  assert.equal((await distill("train", whole.path)).code, 0);
  for (const afterStep of [4, 12]) {
    const child = spawn(process.execPath, [...COMMAND, "train", killed.path], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.on("exit", resolve));
    while (!existsSync(join(killed.output, "checkpoints", `step-${afterStep}`)) && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGKILL");
    await ended;
  }
  assert.equal((await distill("train", killed.path)).code, 0);
  for (const file of ["model.safetensors", "config.json"])
    assert.deepEqual(
      readFileSync(join(killed.output, "student", file)),
      readFileSync(join(whole.output, "student", file)),
      file,
    );
  const losses = ({ output }: { output: string }) =>
    readFileSync(join(output, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => {
        const { step, loss, grad_norm, learning_rate } = JSON.parse(line);
        return { step, loss, grad_norm, learning_rate };
      });
  assert.equal(losses(killed).length, 24);
  assert.deepEqual(losses(killed), losses(whole));
  assert.match((await distill("train", killed.path)).out, /Everything was up to date/);
});

test("Ctrl-C stops after the step under way with a checkpoint and code 130", async () => {
  const { path, output } = recipe({ trainer: { max_length: 128, max_steps: 5000, per_device_train_batch_size: 4 } });
  const child = spawn(process.execPath, [...COMMAND, "train", path], { stdio: "ignore" });
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  while (!existsSync(join(output, "metrics.jsonl")) && child.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill("SIGINT");
  assert.equal(await ended, 130);
  const [checkpoint] = readdirSync(join(output, "checkpoints"));
  assert.match(checkpoint!, /^step-\d+$/);
  assert.deepEqual(readdirSync(join(output, "checkpoints", checkpoint!)).sort(), [
    "artefact.json",
    "config.json",
    "model.safetensors",
    "optimizer.safetensors",
    "trainer.json",
  ]);
  assert.ok(!existsSync(join(output, "student")));
});

const BAD: [name: string, make: () => string[], message: RegExp][] = [
  ["a recipe that is not there", () => ["nowhere.yaml"], /^Error: Recipe not found: nowhere\.yaml\.$/],
  [
    "a misspelt key",
    () => [recipe({ trainer: { learning_rat: 1 } }).path],
    /trainer: unknown key "learning_rat" \(did you mean "learning_rate"\?\)/,
  ],
  ["a misspelt section", () => [recipe({ studnet: 1 }).path], /unknown key "studnet" \(did you mean "student"\?\)/],
  ["a value of the wrong type", () => [recipe().path, "trainer.max_steps=many"], /trainer\.max_steps: .*number/],
  ["an override that is none", () => [recipe().path, "fast"], /"fast" is not an override\. Expected key=value/],
  [
    "a dataset that is not there",
    () => [recipe({ dataset: { path: "none.jsonl" } }).path],
    /Dataset not found: .*none\.jsonl\.$/,
  ],
  [
    "an unknown model_type",
    () => [recipe({ student: { config: { model_type: "gpt9" } } }).path],
    /unknown model_type "gpt9"\. Expected one of: gemma3_text, llama, qwen2, qwen3/,
  ],
  ["a student that is not there", () => [recipe({ student: { path: "nobody" } }).path], /Student not found: .*nobody/],
  [
    "a student in a file that nothing unpacks",
    () => {
      const { path, folder } = recipe({ student: { path: "model.bin" } });
      writeFileSync(join(folder, "model.bin"), "");
      return [path];
    },
    /Student .*model\.bin is a file\. Expected an HF folder, or a file that ends in \.gguf\.$/,
  ],
  [
    "a tokenizer that is not there",
    () => [recipe({ tokenizer: "nothing" }).path],
    /tokenizer\.json not found: .*nothing/,
  ],
  ["an unknown device", () => [recipe({ device: "tpu" }).path], /device: .*"cpu"/],
  [
    "a device that is not there",
    () => [recipe({ device: "cuda" }).path],
    /Device "cuda" cannot be used on this machine: .*Expected ONNX Runtime's CUDA provider/,
  ],
  [
    "an example that is longer than a row",
    () => [recipe().path, "trainer.max_length=32", "trainer.overlength=error"],
    /row 1 has \d+ tokens, and max_length is 32/,
  ],
  ["no example that fits a row", () => [recipe().path, "trainer.max_length=32"], /No row of .* fits into 32 tokens/],
  [
    "a heads count that does not divide",
    () => [recipe().path, "student.config.num_key_value_heads=3"],
    /num_key_value_heads: must divide num_attention_heads/,
  ],
  [
    "a dataset without the columns",
    () => {
      const { path, folder } = recipe({ dataset: { path: "rows.jsonl" } });
      writeFileSync(join(folder, "rows.jsonl"), '{"prompt":"1*1=?","completion":"1"}\n{"ask":"a","reply":"b"}\n');
      return [path];
    },
    /rows\.jsonl, line 2 has ask, reply\. Expected columns "prompt" and "completion"/,
  ],
  [
    "a dataset with a line that is not JSON",
    () => {
      const { path, folder } = recipe({ dataset: { path: "rows.jsonl" } });
      writeFileSync(join(folder, "rows.jsonl"), '{"prompt":"1*1=?",\n');
      return [path];
    },
    /rows\.jsonl, line 1: not JSON/,
  ],
  [
    "an Arrow file that is none",
    () => {
      const { path, folder } = recipe({ dataset: { path: "rows.arrow" } });
      writeFileSync(join(folder, "rows.arrow"), "not arrow at all");
      return [path];
    },
    /rows\.arrow is not an Arrow file that can be read|rows\.arrow has the columns/,
  ],
];

for (const [name, make, message] of BAD)
  test(`${name} is one sentence and code 1, and nothing is written`, async () => {
    const args = make();
    const { code, err } = await distill("train", ...args);
    const error = err.trim();
    assert.equal(code, 1, error);
    assert.match(error, message);
    assert.equal(error.split("\n").filter((line) => line.startsWith("Error")).length, 1);
    assert.doesNotMatch(error, /\n\s+at /, "no stack");
    assert.ok(!existsSync(join(args[0]!, "..", "run", "student")));
  });

const COLUMNS = ["prompt", "completion", "messages"] as const;

/** Rows with three columns, each with its own number in it, as JSON lines or as a folder of save_to_disk. */
async function writeRows(path: string, numbers: Record<(typeof COLUMNS)[number], number>): Promise<void> {
  const rows = Array.from({ length: 8 }, (_, i) => ({
    prompt: `${i}+${numbers.prompt}=?`,
    completion: `${i * numbers.completion}`,
    messages: [
      { role: "user", content: `${i}*1=?` },
      { role: "assistant", content: `${i * numbers.messages}` },
    ],
  }));
  rmSync(path, { recursive: true, force: true });
  if (path.endsWith(".jsonl")) writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  else await writeDataset(path, [acceptedTable(rows.map((row, sample) => ({ ...row, prompt_id: "a", sample })))]);
}

for (const [name, chat_template, trained] of [
  ["rows.jsonl", "{% for m in messages %}{{ m.content }}{% endfor %}", ["messages"]],
  ["rows", undefined, ["prompt", "completion"]],
] as const)
  test(`a student that is trained on ${trained.join(" and ")} of ${name} is due where any column changes, and comes out otherwise where one of its own does`, async () => {
    const { path, folder, output } = recipe({
      dataset: { path: name },
      trainer: { max_length: 128, max_steps: 2, learning_rate: 0.01 },
    });
    const config = join(folder, "tokenizer", "tokenizer_config.json");
    const settings = JSON.parse(readFileSync(config, "utf8"));
    writeFileSync(config, JSON.stringify({ ...settings, chat_template }));
    const numbers = { prompt: 3, completion: 5, messages: 7 };
    const place = join(folder, name);
    const weights = async () => {
      const { code, out, err } = await distill("train", path);
      assert.equal(code, 0, err);
      assert.doesNotMatch(out, /train: up to date/);
      return sha256(join(output, "student", "model.safetensors"));
    };
    await writeRows(place, numbers);
    const first = await weights();
    assert.match((await distill("plan", path)).out, /train +up to date/);
    for (const column of COLUMNS) {
      await writeRows(place, { ...numbers, [column]: 9 });
      assert.match((await distill("plan", path)).out, /train +runs: dataset changed from/, column);
      assert.equal((await weights()) !== first, (trained as readonly string[]).includes(column), column);
    }
  });

test("a student whose weights are cut short, or of another shape, is refused with the file's name", async () => {
  const first = recipe({ trainer: { max_length: 128, max_steps: 1 } });
  assert.equal((await distill("train", first.path)).code, 0);
  const student = join(first.output, "student");
  const again = recipe({ student: { path: student }, tokenizer: student, trainer: { max_length: 128, max_steps: 1 } });
  assert.equal((await distill("train", again.path)).code, 0, "a student is a model to continue from");

  const config = join(student, "config.json");
  const original = readFileSync(config, "utf8");
  writeFileSync(config, original.replace('"intermediate_size": 24', '"intermediate_size": 32'));
  const other = recipe({ student: { path: student }, tokenizer: student });
  assert.match(
    (await distill("train", other.path)).err,
    /tensor ".*" has shape \[24,16\], and the model's config asks for \[32,16\]/,
  );

  writeFileSync(config, original);
  truncateSync(join(student, "model.safetensors"), 3000);
  assert.match(
    (await distill("train", recipe({ student: { path: student }, tokenizer: student }).path)).err,
    /model\.safetensors is not a valid safetensors file: .*cut short/,
  );
});

test("training that does not fit into memory is refused before it begins, with what would help", async () => {
  const config = {
    model_type: "llama",
    hidden_size: 65536,
    intermediate_size: 131072,
    num_hidden_layers: 2,
    num_attention_heads: 64,
  };
  const { path, output } = recipe({ student: { config, seed: 1 } });
  const { code, err } = await distill("train", path);
  assert.equal(code, 1);
  assert.match(err, /foreseen to take [\d.]+ MB of memory, and there are \d+ MB\. Lower trainer\.max_length/);
  assert.ok(!existsSync(join(output, "checkpoints", "step-4")));
});

test("an override with null leaves out what the recipe gives, at any depth, and what it does not give", () => {
  const { path } = recipe();
  const read = (...overrides: string[]) => readRecipe(path, overrides);
  assert.equal(read("trainer.max_steps=null").trainer.max_steps, undefined);
  assert.deepEqual(read("sampling=null", "trainer.seed=null"), read("trainer.seed=null"));
  assert.throws(() => read("trainer.seed="), /says nothing behind the =\. Give a value, or trainer\.seed=null/);
  assert.throws(() => read("dataset=null"), /give either a dataset, or sampling that makes one/);
});

test("aliases that mean billions, and overrides that reach what objects inherit, are refused", async () => {
  const { path, folder } = recipe();
  const levels = "abcdefgh"
    .split("")
    .map((name, i, all) => `${name}: &${name} [${Array(9).fill(i ? `*${all[i - 1]}` : "x")}]`);
  const bomb = join(folder, "bomb.yaml");
  writeFileSync(bomb, levels.join("\n"));
  for (const [args, message] of [
    [[bomb], /cannot be read: .*Write out what its aliases/],
    [[path, "__proto__.x=1"], /"__proto__\.x=1" names the key "__proto__", which no recipe has/],
    [[path, "trainer.constructor.prototype.x=1"], /names the key "constructor"/],
  ] as const) {
    const { code, err } = await distill("plan", ...args);
    assert.equal(code, 1);
    assert.match(err, message);
    assert.doesNotMatch(err, /\n\s+at /);
  }
});

test("a folder that holds something, and that no run has claimed, is left alone", async () => {
  const { path, output } = recipe();
  for (const name of ["student", "dataset"]) {
    mkdirSync(join(output, name), { recursive: true });
    writeFileSync(join(output, name, "mine"), name);
  }
  const { code, err } = await distill("train", path);
  assert.equal(code, 1);
  assert.match(err, /run holds dataset, student, and no run has claimed it .* give output a new or an empty folder/);
  assert.deepEqual(readdirSync(output, { recursive: true }).sort(), [
    "dataset",
    "dataset/mine",
    "student",
    "student/mine",
  ]);
});

test("a loss that is not a number stops the run with the step, the rows and the last checkpoint", async () => {
  const trainer = {
    max_length: 128,
    max_steps: 50,
    save_steps: 2,
    learning_rate: 1e30,
    warmup_ratio: 0,
    max_grad_norm: 1e30,
  };
  const { code, err } = await distill("train", recipe({ trainer }).path);
  assert.equal(code, 1);
  assert.match(err, /Error: The (loss|gradient's norm) is (NaN|Infinity) at step \d+ \(dataset rows \d+/);
});

test("the process says what is wrong on its second stream and ends with code 1; help is on the first, with code 0", async () => {
  const refused = await startDistill(["train", "nowhere.yaml"]).ended;
  assert.deepEqual(refused, { code: 1, out: "", err: "Error: Recipe not found: nowhere.yaml.\n" });
  const { code, out, err } = await startDistill(["train", "--help"]).ended;
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /Usage: distill train \[options\] <recipe> \[overrides\.\.\.\]/);
});
