/**
 * @file How far files of each type are from the weights, without an importance matrix and with one, ours beside those that
 * llama.cpp's own quantiser makes of the same weights: mean KL, agreement on the most likely token, size. And what the gate
 * takes. The matrix is of the model's answers to other questions, two of each, than those on which files are compared.
 *
 *     npm run bench:quantization -- models/SmolLM2-135M-Instruct.Q4_1.gguf [PROMPTS] [TOKENS] [TYPES]
 */

import { mkdirSync, rmSync, statSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { join } from "node:path";
import { writeWholeFrom } from "../../src/core/files.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { collectImportance } from "../../src/exporters/gguf/collect.ts";
import { fileType, GGUF_TYPES, type TypeName } from "../../src/exporters/gguf/types.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { compareRunner, continueGreedily, type ParityReport } from "../../src/exporters/parity.ts";
import { openRunner } from "../../src/exporters/runners/open.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import type { Continuation } from "../../src/exporters/runners/runner.ts";
import { GGML_TYPES } from "../../src/formats/ggml.ts";
import { openGguf } from "../../src/formats/gguf-reader.ts";
import { type ImportanceMatrix, writeImportance } from "../../src/formats/imatrix.ts";
import { openSampler } from "../../src/generation/sampler.ts";
import { createModel, loadWeights, readConfig } from "../../src/models/load.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { formatOf } from "../../src/student/packed/format.ts";
import { whyNoQuantiser, writeAsLlamaCppDoes } from "../support/llama-quantizer.ts";
import { CALIBRATION, QUESTIONS } from "./questions.ts";

const [path = "models/SmolLM2-135M-Instruct.Q4_1.gguf", count = "8", length = "64", chosen = GGUF_TYPES.join()] =
  process.argv.slice(2);
const types = GGUF_TYPES.filter((type) => chosen.split(",").includes(type));

const folder = ".build/bench/quantization";
rmSync(folder, { recursive: true, force: true });
mkdirSync(join(folder, "student"), { recursive: true });
const student = join(folder, "student");
await formatOf(path)!.unpack(path, student);
const tokenizer = loadTokenizer(student);
const asked = (content: string) => tokenizer.encode(tokenizer.render([{ role: "user", content }], { generate: true }));
const prompts = QUESTIONS.slice(0, Number(count)).map(asked);

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
const importance = await calibrated();
const read = [...importance.entries.values()][0]!.count;
const matrixFile = join(folder, "imatrix.gguf");
await writeWholeFrom(matrixFile, writeImportance(importance));
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
for (const type of types) {
  await both(type);
  if (type.startsWith("q") && type !== "q8_0") await both(type, true);
  if (!without && type.startsWith("q4"))
    await theirs(type, "llama.cpp's, embedding of four bits", { embedding: GGML_TYPES.Q4_0[0] });
}

/** Our file of a type, with the matrix or without, and llama.cpp's, which is measured where it is not the same. */
async function both(type: TypeName, weighed = false): Promise<void> {
  const [suffix, matrix] = weighed ? [", with the matrix", { matrix: matrixFile }] : ["", {}];
  const source = { folder: student, importance: async () => ({ matrix: importance, file: "imatrix.gguf" }) };
  seconds();
  const options = { types: [type], ...(weighed ? { importance_matrix: { tokens: read } } : {}) };
  const [ours] = await gguf.create(options)(source, join(folder, "ours"));
  await measure(type, `ours${suffix}`, ours!.path, seconds());
  if (!without && type.startsWith("q")) await theirs(type, `llama.cpp's${suffix}`, matrix, ours!.path);
  rmSync(ours!.path);
}

/** Write llama.cpp's file of a type and measure it, where it is not that of `ours`. */
async function theirs(
  type: TypeName,
  whose: string,
  given: { embedding?: number; matrix?: string },
  ours?: string,
): Promise<void> {
  const file = join(folder, `theirs-${type}.gguf`);
  seconds();
  writeAsLlamaCppDoes(whole!.path, [{ path: file, fileType: fileType(type) }], given);
  const written = seconds();
  if (ours && sameTensors(ours, file))
    console.log(`| ${[type, whose, "the same types and bytes", "", "", "", written, ""].join(" | ")} |`);
  else await measure(type, whose, file, written);
  rmSync(file);
}

function sameTensors(one: string, other: string): boolean {
  const [a, b] = [openGguf(one), openGguf(other)];
  const same =
    a.tensors.size === b.tensors.size &&
    [...a.tensors.values()].every(
      ({ name, type }) => b.tensors.get(name)?.type === type && Buffer.compare(a.read(name), b.read(name)) === 0,
    );
  a.close();
  b.close();
  return same;
}

/** The matrix of two answers of the model to each of the other questions, at temperature 1. */
async function calibrated(): Promise<ImportanceMatrix> {
  seconds();
  const device = await openDevice("cpu");
  const model = createModel(readConfig(student), student);
  for (const { name, shape, data } of loadWeights(student, model))
    await device.write(name, tensor("float32", shape, data));
  const sampler = openSampler(device, model, { stops: tokenizer.stops });
  const requests = [...CALIBRATION, ...CALIBRATION].map((content, seed) => ({ tokens: asked(content), seed }));
  const texts: number[][] = [];
  for await (const { index, tokens } of sampler.generate(requests, { max_completion_length: 256 }))
    texts[index] = [...requests[index]!.tokens, ...tokens];
  await sampler.close();
  const answered = seconds();
  const matrix = (await collectImportance(device, student, texts, "answers to other questions"))!;
  await device.close();
  const count = texts.reduce((sum, { length }) => sum + length, 0);
  console.log(
    `${count} tokens of ${texts.length} other answers, sampled in ${answered} s; the matrix of them in ${seconds()} s\n`,
  );
  return matrix;
}
