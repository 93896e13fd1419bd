import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { tryRecipe } from "../../src/commands/doctor/recipe.ts";
import { textReport } from "../../src/commands/doctor/report.ts";
import { tryTask } from "../../src/commands/doctor/tasks.ts";
import { type Doctor, doctor } from "../../src/commands/doctor.ts";
import { DistillError } from "../../src/core/errors.ts";
import { readRecipe } from "../../src/recipe/recipe.ts";
import { PROVIDERS } from "../../src/runtime/protocol.ts";
import { COMMAND, distill, withEnvironment } from "../support/cli.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const noVulkan = whyNoVulkan(); // chooses a driver, which the command line inherits
const folder = mkdtempSync(join(tmpdir(), "doctor-"));
process.env.XDG_CACHE_HOME = folder; // what is measured of this machine's adapter is not for others

/** A recipe of a small student, on rows of its own where they are given. */
function recipe(name: string, changes: Record<string, unknown> = {}, rows?: object[]): string {
  cpSync("data/arithmetic", join(folder, "tokenizer"), { recursive: true });
  const path = join(folder, `${name}.yaml`);
  if (rows) writeFileSync(join(folder, `${name}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const config = {
    model_type: "llama",
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 3,
    num_attention_heads: 2,
  };
  const whole = {
    name,
    output: join(folder, "run"),
    device: "cpu",
    threads: 1,
    student: { config, seed: 1 },
    tokenizer: "tokenizer",
    dataset: rows ? { path: `${name}.jsonl` } : { generate: { type: "arithmetic" }, rows: 40 },
    ...changes,
  };
  writeFileSync(path, stringify(whole));
  return path;
}

let report: Doctor;

/** Laws of what the recipe does not have. */
const SKIPPED = ["devices_agree", "lora_merged"];

test("doctor --json says of each device what it does, or why it does not and what would mend that", () => {
  const out = execFileSync(process.execPath, [...COMMAND, "doctor", recipe("good"), "--json"], { encoding: "utf8" });
  report = JSON.parse(out) as Doctor;
  assert.deepEqual(
    report.devices.map(({ name }) => name),
    [...PROVIDERS],
  );
  for (const { name, ok, reason, cure, matmul_gflops, train_step_ms, loss_difference } of report.devices) {
    assert.equal(reason === null && cure === null, ok, name);
    assert.equal(matmul_gflops !== null && matmul_gflops > 0, ok, name);
    assert.equal(train_step_ms !== null && train_step_ms > 0, ok, name);
    if (ok && name !== "cpu") assert.ok(loss_difference! <= 1e-3, `${name}: ${loss_difference}`);
  }
  const [cpu, webgpu] = report.devices;
  assert.equal(cpu!.ok, true);
  assert.equal(webgpu!.ok, !noVulkan, webgpu!.reason ?? "");
  if (webgpu!.ok) {
    const { spelling, measured, kept_in } = webgpu!.products!;
    assert.ok(kept_in.startsWith(folder) && existsSync(kept_in));
    assert.deepEqual(Object.keys(spelling), ["forward", "weight_gradient"]);
    assert.ok(measured.length >= 3);
  }
  const { machine, versions, llama_cpp, sandboxes } = report;
  assert.ok(machine.cores > 0 && machine.memory_mb.free > 0 && machine.disk_free_mb > 0);
  for (const name of ["distill", "node", "onnxruntime-node", "node-llama-cpp", "llama.cpp"])
    assert.match(versions[name]!, /\d/, name);
  assert.ok("backend" in llama_cpp, JSON.stringify(llama_cpp));
  const wasm = sandboxes.filter(({ name }) => name.endsWith("in WebAssembly"));
  assert.equal(wasm.length, 2);
  for (const { name, ok, reason } of wasm) assert.ok(ok, `${name}: ${reason}`);
  for (const { name, status, found } of report.recipe!.laws)
    assert.equal(status, SKIPPED.includes(name) ? "skipped" : "ok", `${name}: ${found}`);
});

test("the same as text names every device, law and version, without colours where there is no terminal", () => {
  const text = textReport(report, (_, words) => words);
  assert.doesNotMatch(text, /\u001b/);
  for (const { name, reason } of report.devices)
    assert.match(text, new RegExp(`[✓–] ${name} +${reason ? "\\S" : "MatMul \\d+³ at [\\d.]+ GFLOP/s"}`));
  for (const { name } of report.recipe!.laws) assert.match(text, new RegExp(`[✓–✗] ${name} `));
  for (const version of Object.values(report.versions)) assert.ok(text.includes(version));
});

test("a dataset that breaks a law is reported with its row, and is an error", async ({ mock }) => {
  const rows = [
    ...Array.from({ length: 5 }, (_, i) => ({ prompt: `${i}+1=?`, completion: `${i + 1}` })),
    { messages: [{ role: "user", content: "1+1=?" }] },
  ];
  const path = recipe("bad", {}, rows);
  const { mock: log } = mock.method(console, "log", () => {});
  const done = doctor(path, [], { json: true }, new AbortController().signal, async () => ({ ...report }));
  await assert.rejects(done, (error: Error) => {
    assert.ok(error instanceof DistillError);
    assert.match(error.message, /^1 of the \d+ laws do not hold for .*bad\.yaml: supervision\.$/);
    return true;
  });
  const { laws } = (JSON.parse(log.calls[0]!.arguments[0] as string) as Doctor).recipe!;
  const failed = laws.filter(({ status }) => status === "failed");
  assert.deepEqual(
    failed.map(({ name }) => name),
    ["supervision"],
  );
  assert.match(failed[0]!.found, /bad\.jsonl, row 6/);
});

test("of a large model the first layers are tried, and the report says so", async () => {
  const config = {
    model_type: "gemma3_text",
    hidden_size: 192,
    intermediate_size: 1536,
    num_hidden_layers: 26,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 64,
    sliding_window: 16,
    layer_types: Array.from({ length: 26 }, (_, i) => (i % 2 ? "full_attention" : "sliding_attention")),
  };
  const path = recipe("large", { student: { config, seed: 1 } });
  const { model, laws } = (await tryRecipe(readRecipe(path), [], () => {}))!;
  assert.match(model, /^the first 2 of its 26 layers, 1\.\d+ M parameters of 2\d\.\d+ M parameters$/);
  for (const { name, status, found } of laws) assert.notEqual(status, "failed", `${name}: ${found}`);
});

test("a process that hangs, crashes or complains is a reason, not an end of the report", async () => {
  assert.deepEqual(await tryTask("device", "cpu", 0.01), { reason: "It did not end within 0.01 s, and was stopped." });
  const complaint = await tryTask("device", "tpu");
  assert.match((complaint as { reason: string }).reason, /Unknown device "tpu"\. Expected one of/);
  const { NODE_OPTIONS } = process.env;
  process.env.NODE_OPTIONS = "--max-old-space-size=1"; // its heap is full before it begins
  try {
    const crash = await tryTask("device", "cpu");
    assert.match((crash as { reason: string }).reason, /^Its process ended with (SIG\w+|code \d+)/);
  } finally {
    if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = NODE_OPTIONS;
  }
});

const provider = join(
  dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json")),
  "bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so",
);

test(
  "--install-cuda says in a sentence why the provider could not be got, and where it would go",
  { skip: existsSync(provider) ? "the provider is there" : false },
  async () => {
    const proxy = "http://127.0.0.1:9"; // nobody listens there
    const { code, err } = await withEnvironment(
      { GLOBAL_AGENT_HTTP_PROXY: proxy, GLOBAL_AGENT_HTTPS_PROXY: proxy },
      () => distill("doctor", "--install-cuda"),
    );
    assert.equal(code, 1);
    if (process.platform !== "linux" || process.arch !== "x64") return assert.match(err, /only on linux\/x64/);
    assert.match(err, /^Running .*install\.js with ONNXRUNTIME_NODE_INSTALL=cuda12: it downloads/);
    assert.match(
      err,
      /Error: ONNX Runtime's CUDA provider was not installed: connect ECONNREFUSED 127\.0\.0\.1:9\. Where the network does not allow/,
    );
    assert.ok(!existsSync(provider));
  },
);
