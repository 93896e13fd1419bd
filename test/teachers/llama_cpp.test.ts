import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DistillError } from "../../src/core/errors.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { greedyCompletions } from "../../src/generation/greedy.ts";
import { createModel, loadWeights } from "../../src/models/load.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import type { Teacher } from "../../src/teachers/teacher.ts";
import { CONFIG, GREEDY, generateAll, openLlamaCpp, PROMPTS, SAMPLING, testContract, writeToy } from "./contract.ts";

const folder = mkdtempSync(join(tmpdir(), "teacher-llama-cpp-"));

let source: string;
let path: string;
let teacher: Teacher;
const open = (options: object) => openLlamaCpp(path, options);

before(async () => {
  ({ source, path } = await writeToy(folder));
  teacher = await open({});
});
after(() => teacher.close());

testContract(async () => ({ teacher, prompts: PROMPTS }));

test("greedy completions are those of the training runtime", async () => {
  const tokenizer = loadTokenizer(source);
  const device = await openDevice("cpu", { threads: 1 });
  const model = createModel(CONFIG, source);
  for (const { name, shape, data } of loadWeights(source, model))
    await device.write(name, tensor("float32", shape, data));
  const expected = await greedyCompletions(
    device,
    model,
    PROMPTS.map((prompt) => tokenizer.encode(prompt)),
    { stops: [tokenizer.eos], max_completion_length: 20 },
  );
  await device.close();
  const generations = await generateAll(
    teacher,
    PROMPTS.map((prompt) => ({ prompt, seed: 0 })),
    { ...GREEDY, max_completion_length: 20 },
  );
  for (const [i, { token_ids, completion }] of generations.entries()) {
    assert.deepEqual(token_ids, expected[i]);
    assert.equal(completion, tokenizer.decode(token_ids.filter((id) => id !== tokenizer.eos)));
  }
});

test("a completion does not depend on its neighbours, nor on what a cache holds", async () => {
  const prompt = "1*2+3=?<think>1*2=2\n2+3=5\n</think><answer>";
  const requests = Array.from({ length: 9 }, (_, seed) => ({ prompt, seed }));
  const together = await generateAll(teacher, requests, SAMPLING);
  const alone = await open({ sequences: 1 });
  for (const [i, request] of requests.entries())
    assert.deepEqual((await generateAll(alone, [request], SAMPLING))[0], together[i], `seed ${i}`);
  await alone.close();
});

test("draws follow the probabilities, and top_k, top_p and min_p cut them", async () => {
  const prompt = PROMPTS[0]!;
  const requests = Array.from({ length: 400 }, (_, seed) => ({ prompt, seed }));
  const one = { ...SAMPLING, max_completion_length: 1 };
  const drawn = (await generateAll(teacher, requests, one)).map(({ token_ids }) => token_ids[0]!);
  const [scored] = await generateAll(teacher, [requests[0]!], { ...one, top_logprobs: 23 });
  const { ids, logprobs } = scored!.top_logprobs![0]!;
  assert.ok(Math.abs(logprobs.reduce((sum, x) => sum + Math.exp(x), 0) - 1) < 1e-5);
  for (const [k, id] of ids.slice(0, 4).entries()) {
    const p = Math.exp(logprobs[k]!);
    const share = drawn.filter((other) => other === id).length / drawn.length;
    assert.ok(Math.abs(share - p) < 4 * Math.sqrt((p * (1 - p)) / drawn.length), `token ${id}: ${share} of ${p}`);
  }
  const distinct = async (options: object) =>
    new Set((await generateAll(teacher, requests, { ...one, ...options })).map(({ token_ids }) => token_ids[0]!));
  assert.deepEqual([...(await distinct({ top_k: 2 }))].sort(), ids.slice(0, 2).sort());
  assert.deepEqual([...(await distinct({ top_p: 1e-6 }))], [ids[0]]);
  assert.deepEqual([...(await distinct({ min_p: 0.999 }))], [ids[0]]);
});

test("prompt and completion never exceed the context", async () => {
  const prompt = "1".repeat(250);
  const [cut] = await generateAll(teacher, [{ prompt, seed: 1 }], { ...GREEDY, stop: [] });
  assert.ok(cut!.prompt_tokens + cut!.token_ids.length <= 256);
  if (cut!.token_ids.length === 6) assert.equal(cut!.finish_reason, "length");
  const refusals: string[] = [];
  const requests = ["1".repeat(256), "", "1"].map((prompt) => ({ prompt, seed: 1 }));
  for await (const { index, error } of teacher.generate(requests, GREEDY)) if (error) refusals[index] = error;
  assert.equal(refusals.length, 2);
  assert.match(refusals[0]!, /^The prompt has 256 tokens, which leaves no room/);
  assert.match(refusals[1]!, /^The prompt is empty/);
  await generateAll(teacher, [{ prompt: "1", seed: 1 }], GREEDY);
});

test("prompts longer than a batch are read in parts", async () => {
  const small = await open({ batch_size: 8, sequences: 3 });
  const requests = PROMPTS.flatMap((prompt) => [0, 1].map((seed) => ({ prompt: prompt.repeat(3), seed })));
  const expected = await generateAll(teacher, requests, SAMPLING);
  assert.deepEqual(await generateAll(small, requests, SAMPLING), expected);
  await small.close();
});

test("the r1 template writes the paper's prompt; a model without a template says so", async () => {
  const messages = [{ role: "user", content: "What is 1+1?" }];
  assert.throws(() => teacher.render(messages), /has no chat template. Set chat_template to one of plain, r1, or/);
  const r1 = await open({ chat_template: "r1" });
  const text = r1.render(messages);
  assert.match(text, /^A conversation between User and Assistant\. The user asks a question/);
  assert.ok(text.endsWith("<answer> answer here </answer>. User: What is 1+1?. Assistant:"), text);
  assert.throws(() => r1.render([{ role: "system", content: "" }]), DistillError);
  await r1.close();
  const own = await open({ chat_template: "{% for m in messages %}[{{ m.content }}]{% endfor %}" });
  assert.equal(own.render(messages), "[What is 1+1?]");
  await own.close();
});

test("a teacher is closed also after its memory was cleaned up", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const other = await open({ sequences: 2 });
  await generateAll(other, [{ prompt: PROMPTS[0]!, seed: 0 }], SAMPLING);
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise(setImmediate);
  }
  await other.close();
});

test("the teacher names its file and its hash", () => {
  assert.equal(teacher.model, "model-f32.gguf");
  assert.equal(teacher.hash, createHash("sha256").update(readFileSync(path)).digest("hex"));
});

test("a file that is missing, cut short or no GGUF is refused in a sentence", async () => {
  const bad = join(folder, "bad.gguf");
  await assert.rejects(open({ path: join(folder, "none.gguf") }), DistillError);
  writeFileSync(bad, "not a model at all");
  await assert.rejects(open({ path: bad }), /not a valid GGUF file: it begins with/);
  copyFileSync(path, bad);
  truncateSync(bad, 60_000);
  await assert.rejects(open({ path: bad }), /may be cut short/);
  const changed = readFileSync(path);
  changed.write("lamma", changed.indexOf("llama"));
  writeFileSync(bad, changed);
  await assert.rejects(
    open({ path: bad }),
    (error) => error instanceof DistillError && /cannot load.*lamma/s.test(error.message),
  );
});
