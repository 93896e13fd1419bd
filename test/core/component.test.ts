import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { contentOf, notContent } from "../../src/core/component.ts";
import { contentHash } from "../../src/core/hash.ts";
import * as exporters from "../../src/exporters/index.ts";
import * as rewards from "../../src/rewards/index.ts";
import { SamplerOptions } from "../../src/sampling/options.ts";
import * as teachers from "../../src/teachers/index.ts";
import * as trainers from "../../src/trainers/index.ts";

test("an option is content unless it says that it is not, whatever else is done to its schema", () => {
  const place = z.string();
  const options = z.object({
    path: notContent(place),
    name: place,
    threads: notContent(z.int().optional()).describe("Cores."),
  });
  const parsed = { type: "x", path: "a", name: "b", threads: 2 };
  for (const schema of [options, options.extend({ type: z.literal("x") }).strict()])
    assert.deepEqual(contentOf(schema, parsed), { type: "x", name: "b" });
});

/** The options of every component, and which of them results do not hang on. */
const OPTIONS: Record<string, [options: z.ZodObject, aside: string[]]> = {
  ...without("rewards", rewards),
  ...without("exporters", exporters),
  "teachers.engine": [teachers.engine.options, ["path", "device", "threads", "sequences"]],
  "teachers.llama_cpp": [teachers.llama_cpp.options, ["path", "sequences", "batch_size", "gpu", "threads"]],
  "teachers.openai": [
    teachers.openai.options,
    [
      ...["base_url", "answers_as", "api_key_env", "headers", "tokenizer", "stream", "max_concurrency", "max_retries"],
      ...["patience", "timeouts", "probe", "price", "batch"],
    ],
  ],
  "teachers.transformers": [teachers.transformers.options, ["path", "sequences"]],
  ...Object.fromEntries(
    Object.entries(trainers).map(([name, { options, ...trainer }]): [string, [z.ZodObject, string[]]] => [
      `trainers.${name}`,
      [options, ["logging_steps", "save_steps", "save_total_limit", ...("asks" in trainer ? ["prompts"] : [])]],
    ]),
  ),
  sampling: [SamplerOptions, []],
};

function without(kind: string, registry: Record<string, { options: z.ZodObject }>) {
  return Object.fromEntries(
    Object.entries(registry).map(([name, { options }]): [string, [z.ZodObject, string[]]] => [
      `${kind}.${name}`,
      [options, []],
    ]),
  );
}

for (const [name, [options, aside]] of Object.entries(OPTIONS))
  test(`what hangs on ${name} hangs on all of its options${aside.length > 0 ? ` but ${aside.join(", ")}` : ""}`, () => {
    const all = Object.fromEntries(Object.keys(options.shape).map((key) => [key, key]));
    const content = contentOf(options, all);
    assert.deepEqual(
      Object.keys(all).filter((key) => !(key in content)),
      aside,
    );
  });

test("every teacher is among them", () => {
  for (const name of Object.keys(teachers)) assert.ok(`teachers.${name}` in OPTIONS, name);
});

test("the keys of runs that were made stay what they are", () => {
  const key = (type: keyof typeof teachers, given: object) => {
    const { options } = teachers[type];
    return contentHash(contentOf(options, { type, ...options.parse(given) }));
  };
  const fast = { sequences: 3, batch_size: 9, gpu: false, threads: 2 };
  assert.equal(key("llama_cpp", { path: "a.gguf", chat_template: "r1", ...fast }), "786fc515b36b36bf");
  assert.equal(key("transformers", { path: "onnx/model.onnx", sequences: 3 }), "df98b26d12f706a6");
});
