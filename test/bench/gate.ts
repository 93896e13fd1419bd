/**
 * @file What the parity gate takes, for files of every type: in seconds and in seconds of processors, which other work on the
 * machine does not change; and how much of it the programs need by themselves, to load the files and read the same tokens.
 *
 *     npm run bench:gate -- models/SmolLM2-135M-Instruct.Q4_1.gguf
 */

import { mkdirSync, rmSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { join } from "node:path";
import { LlamaLogLevel, type Token } from "node-llama-cpp";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import type { Exported } from "../../src/exporters/exporter.ts";
import { compareFiles } from "../../src/exporters/gate.ts";
import { GGUF_TYPES } from "../../src/exporters/gguf/types.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { ParityOptions } from "../../src/exporters/limits.ts";
import { DTYPES } from "../../src/exporters/onnx/storage.ts";
import { onnx } from "../../src/exporters/onnx.ts";
import { openOnnxRunner } from "../../src/exporters/runners/onnx.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import type { Continuation } from "../../src/exporters/runners/runner.ts";
import { formatOf } from "../../src/student/packed/format.ts";
import { getLlama } from "../../src/teachers/llama-cpp/variant.ts";
import { QUESTIONS } from "./questions.ts";

const [path = "models/SmolLM2-135M-Instruct.Q4_1.gguf", count = "8", length = "64"] = process.argv.slice(2);
const folder = ".build/bench/gate";
const student = join(folder, "student");
rmSync(folder, { recursive: true, force: true });
mkdirSync(student, { recursive: true });
await formatOf(path)!.unpack(path, student);
const { render, encode, stops } = loadTokenizer(student);
const asked = QUESTIONS.slice(0, Number(count)).map((content) =>
  render([{ role: "user", content }], { generate: true }),
);
const parity = ParityOptions.parse({ prompts: asked.length, max_completion_length: Number(length) });
const files: Exported[] = [
  ...(await gguf.create({ types: GGUF_TYPES })({ folder: student }, join(folder, "gguf"))),
  ...(await onnx.create({ dtypes: [...DTYPES], max_file_bytes: 1.9e9, transformers_js: 3 })(
    { folder: student },
    join(folder, "onnx"),
  )),
];

type Times = { wall: number; processor: number };
async function timed<Result>(work: () => Promise<Result>): Promise<Times & { result: Result }> {
  const [begun, used] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(used);
  return { result, wall: (performance.now() - begun) / 1000, processor: (user + system) / 1e6 };
}
const said = ({ wall, processor }: Times) => `${wall.toFixed(1)} s, ${processor.toFixed(1)} s of processors`;

console.log(
  `${cpus()[0]!.model}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}; ${asked.length} prompts, answers of at most ${length} tokens, ${files.length} files\n`,
);
const whole = await timed(() => compareFiles(student, files, asked, parity, new AbortController().signal));
console.log(`the gate: ${said(whole)}`);

const sampled = await timed(async () => {
  const reference = await openReferenceRunner(student);
  const options = { stops, max_completion_length: Number(length) };
  return reference.continueGreedily(asked.map(encode), options).finally(reference.close);
});
console.log(`of it the weights' own answers: ${said(sampled)}`);

/** Load a file and read each text, and take nothing from it. */
async function reads({ name, path }: Exported, continuations: readonly Continuation[]): Promise<void> {
  if (name.startsWith("onnx")) {
    const runner = await openOnnxRunner(path);
    for (const { prompt, completion } of continuations)
      await runner.logits([...prompt, ...completion].slice(0, -1), prompt.length - 1);
    return runner.close();
  }
  const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath: path });
  for (const { prompt, completion } of continuations) {
    const settings = { contextSize: 256, batchSize: 128, flashAttention: false, threads: 1 }; // more would wait for each other
    const context = await model.createContext(settings);
    const sequence = context.getSequence();
    await sequence.evaluateWithoutGeneratingNewTokens([...prompt, ...completion].slice(0, -1) as Token[]);
    await context.dispose();
  }
  await model.dispose();
  await llama.dispose();
}
let programs = 0;
for (const file of files) {
  const times = await timed(() => reads(file, sampled.result));
  programs += times.processor;
  console.log(`of it ${file.name}'s program: ${said(times)}`);
}
const beyond = whole.processor - programs;
console.log(
  `\nBeyond the programs' own time: ${beyond.toFixed(1)} s of processors, ${(beyond - sampled.processor).toFixed(1)} of them without the weights' own answers.`,
);
process.exit();
