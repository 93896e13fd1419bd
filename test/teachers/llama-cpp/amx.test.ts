import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { before, test } from "node:test";
import { gguf } from "../../../src/exporters/gguf.ts";
import { amxEnv } from "../../support/amx.ts";
import { writeModel } from "../../support/models.ts";
import { scratch } from "../../support/students.ts";
import { TOY } from "../../support/training.ts";

const folder = scratch();
const amx = amxEnv(folder);
const skip = "missing" in amx && amx.missing;
const child = join(import.meta.dirname, "../../support/logits-child.js");
const TYPES = ["f32", "q8_0", "q4_0"] as const;
/** As many as llama.cpp multiplies at once. */
const TOKENS = Array.from({ length: 60 }, (_, i) => 3 + ((i * 7) % 20));
const files: Record<number, string[]> = {};

before(async () => {
  if (skip) return;
  for (const hidden_size of [32, 64]) {
    const source = join(folder, `model-${hidden_size}`);
    await writeModel(source, { ...TOY, hidden_size, intermediate_size: 2 * hidden_size, vocab_size: 23 }, { seed: 12 });
    const written = await gguf.create({ types: [...TYPES] })({ folder: source }, join(folder, `gguf-${hidden_size}`));
    files[hidden_size] = written.map(({ path }) => path);
  }
});

function scored(of: readonly string[], env: NodeJS.ProcessEnv): (number[] | string)[] {
  const output = execFileSync(process.execPath, [child, JSON.stringify(TOKENS), ...of], {
    env: { ...process.env, ...("env" in amx && amx.env), ...env },
  });
  return JSON.parse(`${output}`);
}

test(
  "on a processor with AMX, quantised rows of a single block are a sentence, and all else is what others compute",
  {
    skip,
  },
  () => {
    const paths = [...files[32]!, ...files[64]!];
    const [f32, q8_0, q4_0, ...wider] = scored(paths, { DISTILL_LLAMA_CPU: "sapphirerapids" });
    const others = scored(paths, { DISTILL_LLAMA_CPU: "haswell" });
    for (const refused of [q8_0, q4_0])
      assert.match(
        `${refused}`,
        /not finite after token 1 of 60\. .* AMX, .* DISTILL_LLAMA_CPU=haswell takes others\.$/,
      );
    const [theirs, , , ...theirWider] = others;
    for (const [i, logits] of [f32!, ...wider].entries()) {
      const expected = [theirs!, ...theirWider][i]!;
      assert.ok(typeof logits !== "string" && typeof expected !== "string", `${logits}`.slice(0, 200));
      const largest = Math.max(...expected.map(Math.abs));
      for (const [j, value] of logits.entries()) assert.ok(Math.abs(value - expected[j]!) < 0.02 * largest);
    }
    for (const logits of others) assert.ok(typeof logits !== "string", `${logits}`.slice(0, 200));
  },
);
