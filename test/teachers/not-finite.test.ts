import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { onnx } from "../../src/exporters/onnx.ts";
import { greedyCompletions } from "../../src/generation/greedy.ts";
import { createModel, loadWeights, type ModelConfig } from "../../src/models/load.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { llama_cpp } from "../../src/teachers/llama_cpp.ts";
import { openLlamaScorer } from "../../src/teachers/llama-logits.ts";
import type { GenerateOptions, Teacher } from "../../src/teachers/teacher.ts";
import { transformers } from "../../src/teachers/transformers.ts";
import { damageGguf, writeModel } from "../support/models.ts";
import { scratch } from "../support/students.ts";
import { TOY } from "../support/training.ts";
import { GREEDY, generateAll, SAMPLING } from "./contract.ts";

const CONFIG: ModelConfig = { ...TOY, vocab_size: 23, initializer_range: 0.4, tie_word_embeddings: false };
const WIDTH = TOY.hidden_size as number;
const PROMPTS = ["37*48+5=?", "12*3-4=?", "9*9=?<think>", "7"];
const requests = PROMPTS.map((prompt, seed) => ({ prompt, seed }));
const folder = scratch();
const source = join(folder, "model");
let path: string;

before(async () => {
  await writeModel(source, CONFIG, { seed: 12 });
  const [file] = await gguf.create({ types: ["f32"] })({ folder: source }, folder);
  path = file!.path;
});

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

/** In the last norm it makes every logit NaN; in two rows of the head, one of them Infinity and the other -Infinity. */
const DAMAGE: Record<string, [gguf: string, hf: string, elements: Record<number, number>]> = {
  "NaN in the last norm": ["output_norm.weight", "model.norm.weight", { 3: nan }],
  "Infinity in the last norm": ["output_norm.weight", "model.norm.weight", { 3: infinity }],
  "NaN in the head's first row": ["output.weight", "lm_head.weight", { 3: nan }],
  "NaN in the head's last row": ["output.weight", "lm_head.weight", { [22 * WIDTH]: nan }],
  "NaN in the middle of the head": ["output.weight", "lm_head.weight", { [9 * WIDTH]: nan }],
  "Infinity and its opposite in the head": [
    "output.weight",
    "lm_head.weight",
    { [9 * WIDTH]: infinity, [10 * WIDTH]: -infinity },
  ],
};

const WAYS: Record<string, GenerateOptions> = {
  sampling: SAMPLING,
  greedy: GREEDY,
  "top_k 3": { ...SAMPLING, top_k: 3 },
  "top_p 0.9": { ...SAMPLING, top_p: 0.9 },
  "min_p 0.1": { ...SAMPLING, min_p: 0.1 },
  "all three": { ...SAMPLING, top_k: 8, top_p: 0.9, min_p: 0.01 },
  top_logprobs: { ...SAMPLING, top_logprobs: 5 },
  "greedy with top_logprobs": { ...GREEDY, top_logprobs: 5 },
};

const openLlamaCpp = (file: string): Promise<Teacher> =>
  llama_cpp.create(llama_cpp.options.parse({ path: file, sequences: 4, context_size: 256, gpu: false, threads: 1 }));

const refused = (file: RegExp) => ({
  name: "DistillError",
  message: new RegExp(
    `${file.source} gives logits that are not finite for request [0-3], whose prompt begins with "[^"]+"\\. Expected numbers`,
  ),
});

for (const [name, [tensorName, , elements]] of Object.entries(DAMAGE))
  test(`llama_cpp draws no token where there is ${name}`, async () => {
    const teacher = await openLlamaCpp(damageGguf(path, tensorName, elements, join(folder, `${name}.gguf`)));
    for (const [way, options] of Object.entries(WAYS))
      await assert.rejects(generateAll(teacher, requests, options), refused(/\.gguf/), way);
    await teacher.close();
  });

test("where one of several sequences is not finite, that is the one that is named", async () => {
  const { encode } = loadTokenizer(source);
  const others = new Set(PROMPTS.filter((_, i) => i !== 2).flatMap(encode));
  const own = encode(PROMPTS[2]!).find((token) => !others.has(token))!;
  const file = damageGguf(path, "token_embd.weight", { [own * WIDTH]: nan }, join(folder, "embedding.gguf"));
  for (const [way, options] of Object.entries(WAYS)) {
    const teacher = await openLlamaCpp(file);
    const one = { ...options, max_completion_length: 1 };
    await assert.rejects(
      generateAll(teacher, requests, one),
      /embedding\.gguf gives .* for request 2, whose prompt/,
      way,
    );
    await teacher.close();
  }
});

for (const [name, [, weight, elements]] of Object.entries(DAMAGE))
  test(`transformers draws no token where there is ${name}`, async () => {
    const student = join(folder, `student ${name}`);
    await writeModel(student, CONFIG, {
      seed: 12,
      change: (weights) => {
        for (const [at, value] of Object.entries(elements)) weights.get(weight)![Number(at)] = value;
      },
    });
    const output = join(folder, `onnx ${name}`);
    await onnx.create({ dtypes: ["fp32"], max_file_bytes: 1e9, transformers_js: 3 })({ folder: student }, output);
    const teacher = await transformers.create(
      transformers.options.parse({ path: join(output, "onnx/model.onnx"), sequences: 4, context_size: 256 }),
    );
    for (const [way, options] of Object.entries(WAYS))
      if (options.top_logprobs === 0)
        await assert.rejects(generateAll(teacher, requests, options), refused(/model\.onnx/), way);
    await teacher.close();

    const [device, model, tokenizer] = [
      await openDevice("cpu", { threads: 1 }),
      createModel(CONFIG, student),
      loadTokenizer(student),
    ];
    for (const { name, shape, data } of loadWeights(student, model))
      await device.write(name, tensor("float32", shape, data));
    const prompts = PROMPTS.map((prompt) => tokenizer.encode(prompt));
    await assert.rejects(
      greedyCompletions(device, model, prompts, { stops: [tokenizer.eos], max_completion_length: 20 }),
      /^DistillError: The model gives logits that are not finite for request 0\. /,
    );
    await device.close();
  });

test("llama.cpp's scorer refuses logits that are not finite, and says after which token", async () => {
  const tokens = loadTokenizer(source).encode(PROMPTS[0]!);
  for (const [name, [tensorName, , elements]] of Object.entries(DAMAGE)) {
    const scorer = await openLlamaScorer(damageGguf(path, tensorName, elements, join(folder, `${name}.gguf`)));
    await assert.rejects(
      scorer.logits(tokens),
      new RegExp(`${name}\\.gguf gives .* not finite after token 1 of ${tokens.length}\\. .* DISTILL_LLAMA_CPU`),
    );
    await scorer.close();
  }
});

test("a token with a logit of -Infinity is as good as any that is not drawn", async () => {
  const impossible = 9;
  for (const { prompt } of requests) {
    // the sign of what the head multiplies says which of both is which
    const said = await Promise.all(
      [infinity, -infinity].map(async (value) => {
        const file = damageGguf(path, "output.weight", { [impossible * WIDTH]: value }, join(folder, `${value}.gguf`));
        const teacher = await openLlamaCpp(file);
        const many = Array.from({ length: 100 }, (_, seed) => ({ prompt, seed }));
        const drawn: (Set<number> | "refused")[] = [];
        for (const options of Object.values(WAYS)) {
          const generations = await generateAll(teacher, many, { ...options, max_completion_length: 1 }).catch(
            () => undefined,
          );
          drawn.push(generations ? new Set(generations.map(({ token_ids }) => token_ids[0]!)) : "refused");
        }
        await teacher.close();
        return drawn;
      }),
    );
    const [masked] = said.filter((drawn) => drawn[0] !== "refused");
    assert.equal(said.filter((drawn) => drawn.every((tokens) => tokens === "refused")).length, 1);
    for (const tokens of masked!) assert.ok(tokens !== "refused" && !tokens.has(impossible));
  }
});
