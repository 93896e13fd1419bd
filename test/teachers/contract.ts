/** @file What must be true of every teacher. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { gguf } from "../../src/exporters/gguf.ts";
import { llama_cpp } from "../../src/teachers/llama_cpp.ts";
import type { GenerateOptions, Generation, SampleRequest, Teacher } from "../../src/teachers/teacher.ts";
import { writeModel } from "../support/models.ts";
import { TOY } from "../support/training.ts";

/** With seed 12 no greedy choice after the prompts is a near tie. */
export const CONFIG = { ...TOY, vocab_size: 23, initializer_range: 0.4 };
export const PROMPTS = ["37*48+5=?", "12*3-4=?", "9*9=?<think>", "37*48+6=?<think>9*8=72\n9*40=360\n"];

/** A toy that continues the prompts at some length: its folder, and its GGUF file. */
export async function writeToy(folder: string): Promise<{ source: string; path: string }> {
  const source = await writeModel(join(folder, "model"), CONFIG, { seed: 12 });
  const [file] = await gguf.create({ types: ["f32"] })({ folder: source }, join(folder, "gguf"));
  return { source, path: file!.path };
}

/** llama.cpp with the toy, to compare another teacher with. */
export const openLlamaCpp = (path: string, options: object = {}): Promise<Teacher> =>
  llama_cpp.create(
    llama_cpp.options.parse({ path, sequences: 4, context_size: 256, gpu: false, threads: 1, ...options }),
  );

export const SAMPLING: GenerateOptions = {
  temperature: 1,
  top_p: 1,
  top_k: 0,
  min_p: 0,
  max_completion_length: 40,
  stop: [],
  top_logprobs: 0,
};
export const GREEDY: GenerateOptions = { ...SAMPLING, temperature: 0 };

/** Generations in the order of their requests. */
export async function generateAll(
  teacher: Teacher,
  requests: readonly SampleRequest[],
  options: GenerateOptions,
): Promise<Generation[]> {
  const generations: Generation[] = [];
  let count = 0;
  for await (const { index, generation, error } of teacher.generate(requests, options)) {
    assert.ok(generation, error);
    assert.equal(generations[index], undefined, `request ${index} was answered twice`);
    generations[index] = generation;
    count++;
  }
  assert.equal(count, requests.length);
  return generations;
}

export type Subject = {
  teacher: Teacher;
  /** Prompts that it continues at some length, in different ways at temperature 1. */
  prompts: readonly string[];
};

/** Tests that `open`'s teacher does what Teacher says. The caller closes it. */
export function testContract(
  open: () => Promise<Subject>,
  can: { top_logprobs: boolean } = { top_logprobs: true },
): void {
  const several = (prompts: readonly string[], each: number): SampleRequest[] =>
    prompts.flatMap((prompt, i) => Array.from({ length: each }, (_, k) => ({ prompt, seed: 1000 * i + k })));

  test("every request is answered once, with its own number of prompt tokens", async () => {
    const { teacher, prompts } = await open();
    const generations = await generateAll(teacher, several(prompts, 3), SAMPLING);
    for (const { prompt_tokens, finish_reason, token_ids } of generations) {
      assert.ok(prompt_tokens > 0 && token_ids.length > 0);
      assert.ok(token_ids.length <= SAMPLING.max_completion_length);
      if (finish_reason === "length") assert.equal(token_ids.length, SAMPLING.max_completion_length);
    }
  });

  test("samples of one prompt differ, and the same seeds give them again", async () => {
    const { teacher, prompts } = await open();
    const requests = several([prompts[0]!], 12);
    const first = await generateAll(teacher, requests, SAMPLING);
    assert.ok(new Set(first.map(({ completion }) => completion)).size >= 8);
    assert.deepEqual(await generateAll(teacher, requests, SAMPLING), first);
  });

  test("at temperature 0 the seed changes nothing", async () => {
    const { teacher, prompts } = await open();
    const generations = await generateAll(teacher, several([prompts[0]!], 3), GREEDY);
    assert.deepEqual(generations[1], generations[0]);
    assert.deepEqual(generations[2], generations[0]);
  });

  test("a completion ends at its limit of tokens", async () => {
    const { teacher, prompts } = await open();
    const [long] = await generateAll(teacher, [{ prompt: prompts[0]!, seed: 0 }], GREEDY);
    const [short] = await generateAll(teacher, [{ prompt: prompts[0]!, seed: 0 }], {
      ...GREEDY,
      max_completion_length: 5,
    });
    assert.equal(short!.finish_reason, "length");
    assert.equal(short!.token_ids.length, 5);
    assert.ok(long!.completion.startsWith(short!.completion));
  });

  test("a stop string ends a completion, over several tokens too, and is not part of it", async () => {
    const { teacher, prompts } = await open();
    const [whole] = await generateAll(teacher, [{ prompt: prompts[0]!, seed: 0 }], GREEDY);
    for (const [from, length] of [
      [4, 1],
      [5, 3],
      [8, 6],
    ] as const) {
      const stop = whole!.completion.slice(from, from + length);
      const [cut] = await generateAll(teacher, [{ prompt: prompts[0]!, seed: 0 }], {
        ...GREEDY,
        stop: ["absent", stop],
      });
      assert.equal(cut!.completion, whole!.completion.slice(0, whole!.completion.indexOf(stop)));
      assert.equal(cut!.finish_reason, "stop");
      assert.deepEqual(cut!.token_ids, whole!.token_ids.slice(0, cut!.token_ids.length));
    }
  });

  test("requests are taken as places become free, and a signal ends an endless source", async () => {
    const { teacher, prompts } = await open();
    let taken = 0;
    function* endless(): Generator<SampleRequest> {
      while (true) yield { prompt: prompts[0]!, seed: taken++ };
    }
    const controller = new AbortController();
    let finished = 0;
    for await (const _ of teacher.generate(endless(), { ...SAMPLING, signal: controller.signal }))
      if (++finished === 5) controller.abort();
    assert.ok(finished >= 5 && finished <= taken && taken < 2000, `${finished} of ${taken}`);
  });

  test("a reader that leaves early stops the work, and the teacher can be asked again", async () => {
    const { teacher, prompts } = await open();
    for await (const _ of teacher.generate(several(prompts, 20), SAMPLING)) break;
    await generateAll(teacher, several(prompts, 1), SAMPLING);
  });

  test("a prompt that leaves no room is answered with the reason, and the others as ever", async () => {
    const { teacher, prompts } = await open();
    const requests = [...several(prompts, 1), { prompt: prompts[0]!.repeat(2000), seed: 1 }, ...several(prompts, 1)];
    const alone = await generateAll(teacher, several(prompts, 1), SAMPLING);
    const said = new Map<number, string>();
    for await (const { index, generation, error } of teacher.generate(requests, SAMPLING))
      said.set(index, generation?.completion ?? error!);
    assert.equal(said.size, requests.length);
    assert.match(said.get(prompts.length)!, /^The prompt has \d+ tokens, which leaves no room/);
    for (const [i, { completion }] of alone.entries()) assert.equal(said.get(i), completion);
  });

  if (!can.top_logprobs)
    test("the most likely tokens are refused in a sentence", async () => {
      const { teacher, prompts } = await open();
      const asked = generateAll(teacher, several(prompts, 1), { ...SAMPLING, top_logprobs: 4 });
      await assert.rejects(asked, /gives no top_logprobs/);
    });
  else
    test("the most likely tokens come with each token, best first, and do not change the draw", async () => {
      const { teacher, prompts } = await open();
      const requests = several(prompts, 2);
      const plain = await generateAll(teacher, requests, SAMPLING);
      const scored = await generateAll(teacher, requests, { ...SAMPLING, top_logprobs: 4 });
      for (const [i, { top_logprobs, ...rest }] of scored.entries()) {
        assert.deepEqual(rest, plain[i]);
        assert.equal(top_logprobs!.length, rest.token_ids.length);
        for (const { ids, logprobs } of top_logprobs!) {
          assert.equal(ids.length, 4);
          assert.deepEqual(
            logprobs,
            [...logprobs].sort((a, b) => b - a),
          );
          assert.ok(logprobs.reduce((sum, x) => sum + Math.exp(x), 0) <= 1 + 1e-5);
        }
      }
      const [greedy] = await generateAll(teacher, [requests[0]!], { ...GREEDY, top_logprobs: 1 });
      assert.deepEqual(
        greedy!.top_logprobs!.map(({ ids }) => ids[0]),
        greedy!.token_ids,
      );
    });

  test("the number of tokens so far is told while work goes on", async () => {
    const { teacher, prompts } = await open();
    const told: number[] = [];
    const options = { ...SAMPLING, onTokens: (tokens: number) => told.push(tokens) };
    const generations = await generateAll(teacher, several(prompts, 1), options);
    assert.ok(told.length > 1 && told.every((n, i) => i === 0 || n >= told[i - 1]!));
    const total = generations.reduce((sum, { token_ids }) => sum + token_ids.length, 0);
    assert.equal(told.at(-1), total);
  });
}
