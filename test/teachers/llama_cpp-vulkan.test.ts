import assert from "node:assert/strict";
import { test } from "node:test";
import { llama_cpp } from "../../src/teachers/llama_cpp.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const SAMPLING = { temperature: 0, top_p: 1, top_k: 0, min_p: 0, max_completion_length: 8, stop: [], top_logprobs: 0 };

async function open(gpu: "vulkan" | false) {
  const path = "data/models/stories-teacher-q8_0.gguf";
  return llama_cpp.create(llama_cpp.options.parse({ path, gpu, sequences: 2, context_size: 256, threads: 1 }));
}

/** The first error of starting llama.cpp on Vulkan, which its package for that may be missing for. */
const skip = whyNoVulkan() ?? (await open("vulkan").then((teacher) => teacher.close(), String)) ?? false;

test("two teachers on Vulkan say what the processor says, however their batches meet", { skip }, async () => {
  const requests = ["Once upon", "The quick brown"].map((prompt, seed) => ({ prompt, seed }));
  const say = async (teacher: Awaited<ReturnType<typeof open>>) => {
    const said: string[] = [];
    for await (const { index, generation } of teacher.generate(requests, SAMPLING))
      said[index] = generation!.completion;
    await teacher.close();
    return said;
  };
  const expected = await say(await open(false));
  const both = [await open("vulkan"), await open("vulkan")];
  for (const said of await Promise.all(both.map(say))) assert.deepEqual(said, expected);
});
