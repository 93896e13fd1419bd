import assert from "node:assert/strict";
import { test } from "node:test";
import { openai } from "../../../src/teachers/openai.ts";
import type { GenerateOptions } from "../../../src/teachers/teacher.ts";
import { startServer } from "../../support/server.ts";

const SAMPLING: GenerateOptions = { temperature: 1, top_p: 1, top_k: 0, min_p: 0, max_completion_length: 64, stop: [], top_logprobs: 0 };

test("plain", async () => {
  const server = await startServer();
  const teacher = await openai.create(openai.options.parse({ base_url: server.url, model: "test-model" }));
  const all = [];
  for await (const one of teacher.generate([{ prompt: "1 and 2", seed: 1 }, { prompt: "3 and 4", seed: 3 }], SAMPLING)) all.push(one);
  console.log(JSON.stringify(all, null, 1), server.counts);
  assert.equal(all.length, 2);
  await teacher.close();
  await server.close();
});
