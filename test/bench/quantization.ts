/**
 * @file How far files of each type are from the weights, ours beside those that llama.cpp's own quantiser makes of the same
 * weights: mean KL, agreement on the most likely token, size. And what the gate takes.
 *
 *     npm run bench:quantization -- models/SmolLM2-135M-Instruct.Q4_1.gguf
 */

import { mkdirSync, rmSync, statSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { join } from "node:path";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { fileType, GGUF_TYPES, type TypeName } from "../../src/exporters/gguf/types.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { compareRunner, continueGreedily, type ParityReport } from "../../src/exporters/parity.ts";
import { openRunner } from "../../src/exporters/runners/open.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import type { Continuation } from "../../src/exporters/runners/runner.ts";
import { GGML_TYPES } from "../../src/formats/ggml.ts";
import { formatOf } from "../../src/student/packed/format.ts";
import { whyNoQuantiser, writeAsLlamaCppDoes } from "../support/llama-quantizer.ts";
import { QUESTIONS } from "./questions.ts";

const [path = "models/SmolLM2-135M-Instruct.Q4_1.gguf", count = "8", length = "64"] = process.argv.slice(2);

const folder = ".build/bench/quantization";
rmSync(folder, { recursive: true, force: true });
mkdirSync(join(folder, "student"), { recursive: true });
const student = join(folder, "student");
await formatOf(path)!.unpack(path, student);
const tokenizer = loadTokenizer(student);
const prompts = QUESTIONS.slice(0, Number(count)).map((content) =>
  tokenizer.encode(tokenizer.render([{ role: "user", content }], { generate: true })),
);

let begun = performance.now();
const seconds = (): number => {
  const taken = (performance.now() - begun) / 1000;
  begun = performance.now();
  return Number(taken.toPrecision(3));
};
const reference = await openReferenceRunner(student);
const opened = seconds();
const options = { stops: tokenizer.stops, max_completion_length: Number(length) };
const continuations: Continuation[] = await continueGreedily(reference, prompts, options);
const answered = seconds();
await reference.close();
const tokens = continuations.reduce((sum, { completion }) => sum + completion.length, 0);
console.log(
  `${cpus()[0]!.model}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}\n\n${prompts.length} prompts, ${tokens} tokens: weights read in ${opened} s, continued with their probabilities in ${answered} s\n`,
);
const head = ["type", "whose", "mean KL", "max KL", "top-1", "MB", "written in s", "compared in s"];
console.log(`| ${head.join(" | ")} |\n|${"---|".repeat(head.length)}`);

async function measure(type: string, whose: string, file: string, written: number): Promise<void> {
  seconds();
  const runner = await openRunner(file);
  const report: ParityReport = await compareRunner(type, runner, continuations);
  await runner.close();
  const { mean_kl, max_kl, top1_agreement } = report;
  const megabytes = (statSync(file).size / 1e6).toFixed(1);
  const share = `${(100 * top1_agreement).toFixed(1)} %`;
  const numbers = [mean_kl.toPrecision(3), max_kl.toPrecision(3), share, megabytes, written, seconds()];
  console.log(`| ${[type, whose, ...numbers].join(" | ")} |`);
}

const without = whyNoQuantiser();
if (without) console.log(`llama.cpp's quantiser is left out: ${without}`);
const [whole] = await gguf.create({ types: ["f32"] })({ folder: student }, folder);
for (const type of GGUF_TYPES) {
  seconds();
  const [ours] = await gguf.create({ types: [type] })({ folder: student }, join(folder, "ours"));
  await measure(type, "ours", ours!.path, seconds());
  if (!without && type.startsWith("q")) {
    await theirs(type, "llama.cpp's");
    await theirs(type, "llama.cpp's, embedding of four bits", GGML_TYPES.Q4_0[0]);
  }
  rmSync(ours!.path);
}

/** Write and measure llama.cpp's file of a type; embeddings of few bits where they are asked for, of the four-bit types alone. */
async function theirs(type: TypeName, whose: string, embedding?: number): Promise<void> {
  if (embedding !== undefined && !type.startsWith("q4")) return;
  const file = join(folder, `theirs-${type}.gguf`);
  seconds();
  writeAsLlamaCppDoes(whole!.path, file, fileType(type), { embedding });
  await measure(type, whose, file, seconds());
  rmSync(file);
}
