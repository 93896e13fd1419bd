/** @file A trained student answers everywhere: transformers.js in Node and in a browser, and llama.cpp. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { before, test } from "node:test";
import { AutoTokenizer, env, pipeline, type TextGenerationPipeline } from "@huggingface/transformers";
import { create } from "../../src/core/component.ts";
import { writeFolder } from "../../src/core/files.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { onnx } from "../../src/exporters/onnx.ts";
import { gguf as packed } from "../../src/student/packed/gguf.ts";
import * as teachers from "../../src/teachers/index.ts";
import { resultOfPage, whyNoBrowser } from "../support/browser.ts";
import { scratch } from "../support/students.ts";

const folder = scratch();
const STUDENT = join(folder, "weights");
const models = { onnx: join(folder, "student"), gguf: join(folder, "gguf") };
const question = JSON.parse(readFileSync("data/stories/test.jsonl", "utf8").split("\n")[0]!).prompt as string;
const LENGTH = 160;

before(async () => {
  await writeFolder(STUDENT, (into) => packed.unpack("data/models/stories-teacher-q8_0.gguf", into));
  await onnx.create({ dtypes: ["fp32", "q8", "q4"], max_file_bytes: 1e9, transformers_js: 3 })(
    { folder: STUDENT },
    models.onnx,
  );
  await gguf.create({ types: ["f32"] })({ folder: STUDENT }, models.gguf);
  env.allowRemoteModels = false;
});

/** What transformers.js in Node answers to the text that the chat template makes of the question. */
async function answerInNode(dtype: "fp32" | "q8" | "q4") {
  const tokenizer = await AutoTokenizer.from_pretrained(models.onnx);
  const messages = [{ role: "user", content: question }];
  const prompt = tokenizer.apply_chat_template(messages, { tokenize: false, add_generation_prompt: true }) as string;
  const generator = (await pipeline("text-generation", models.onnx, { dtype })) as TextGenerationPipeline;
  const output = await generator(prompt, { max_new_tokens: LENGTH, do_sample: false, return_full_text: false });
  await generator.dispose();
  return { prompt, answer: (output as { generated_text: string }[])[0]!.generated_text };
}

test("transformers.js and llama.cpp make the same text of the same prompt text", async () => {
  const { prompt, answer } = await answerInNode("fp32");
  const spec = { type: "llama_cpp", path: join(models.gguf, "model-f32.gguf"), gpu: false, context_size: 512 };
  const teacher = await create(teachers, spec as { type: string }, "teacher");
  try {
    assert.equal(teacher.render([{ role: "user", content: question }]), prompt);
    const greedy = { temperature: 0, top_p: 1, top_k: 0, min_p: 0, stop: [], top_logprobs: 0 };
    const options = { ...greedy, max_completion_length: LENGTH };
    for await (const { generation } of teacher.generate([{ prompt, seed: 1 }], options))
      assert.equal(generation?.completion, answer);
  } finally {
    await teacher.close();
  }
  assert.match(answer, /<think>[\s\S]+<answer>61<\/answer>/);
});

const PAGE = `<!doctype html>
<meta charset="utf-8">
<title>The student in a browser</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem; color: #222 }
  h1 { font-size: 1.3rem } .turn { border-radius: 10px; padding: .7rem 1rem; margin: .6rem 0; white-space: pre-wrap }
  .user { background: #e8eefc } .assistant { background: #f1f1ee } footer { color: #777; font-size: .85rem }
  img { display: none }
</style>
<h1>The student in a browser</h1>
<main></main>
<footer>loading …</footer>
<img src="/done" alt="">
<script type="module">
  const QUESTION = ${JSON.stringify(question)};
  const say = (role, text) => {
    const turn = document.createElement("div");
    turn.className = "turn " + role;
    turn.textContent = text;
    document.querySelector("main").append(turn);
    return turn;
  };
  const post = (result) => fetch("/result", { method: "POST", body: JSON.stringify(result) });
  try {
    const { env, pipeline } = await import("/transformers/transformers.min.js");
    env.allowRemoteModels = false;
    env.allowLocalModels = true;
    env.localModelPath = "/models/";
    env.backends.onnx.wasm.wasmPaths = "/ort/";
    env.backends.onnx.wasm.numThreads = 1;
    const answers = {};
    for (const dtype of ["q8", "q4"]) {
      const generator = await pipeline("text-generation", "student", { dtype, device: "wasm" });
      const prompt = generator.tokenizer.apply_chat_template([{ role: "user", content: QUESTION }], { tokenize: false, add_generation_prompt: true });
      if (!document.querySelector(".user")) say("user", QUESTION);
      const start = performance.now();
      const [{ generated_text }] = await generator(prompt, { max_new_tokens: ${LENGTH}, do_sample: false, return_full_text: false });
      const seconds = (performance.now() - start) / 1000;
      say("assistant", generated_text + "\\n" + dtype + ", " + seconds.toFixed(2) + " s");
      answers[dtype] = { prompt, answer: generated_text };
    }
    document.querySelector("footer").textContent = "transformers.js on WebAssembly, from files of this machine alone";
    await post(answers);
  } catch (error) {
    await post({ error: String(error && error.stack || error) });
  }
</script>
`;

test("a page loads the q8 and the q4 file from a local server and answers", { skip: whyNoBrowser() }, async (t) => {
  const packages = resolve("node_modules");
  const screenshot = resolve(".build/screenshots/browser.png");
  mkdirSync(dirname(screenshot), { recursive: true });
  const folders = {
    models: folder,
    transformers: join(packages, "@huggingface/transformers/dist"),
    ort: join(packages, "onnxruntime-web/dist"),
  };
  const found = (await resultOfPage(PAGE, folders, screenshot)) as Record<
    string,
    { prompt: string; answer: string }
  > & {
    error?: string;
  };
  assert.equal(found.error, undefined);
  for (const dtype of ["q8", "q4"] as const) {
    const expected = await answerInNode(dtype);
    assert.equal(found[dtype]!.prompt, expected.prompt);
    assert.equal(found[dtype]!.answer, expected.answer, dtype);
  }
  assert.ok(statSync(screenshot).size > 5000);
  t.diagnostic(`what the page looked like: ${relative(".", screenshot)}`);
});
