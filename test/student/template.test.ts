import assert from "node:assert/strict";
import { test } from "node:test";
import { templateToAsk } from "../../src/student/template.ts";

test("a student without a chat template is asked as its teacher was, if it learned from one", () => {
  const none = { template: undefined };
  const teacher = { type: "llama_cpp", path: "data/models/stories-teacher-q8_0.gguf" } as const;
  const asked = (learned: Parameters<typeof templateToAsk>[0], student: { template: string | undefined } = none) =>
    templateToAsk(learned, student);
  assert.equal(asked({}), "plain");
  assert.equal(asked({ teacher, dataset: { path: "pairs.jsonl" } }), "plain");
  assert.equal(asked({ teacher: { ...teacher, chat_template: "r1" } }), "r1");
  assert.match(asked({ teacher })!, /\{%.*messages/s);
  assert.equal(asked({ teacher }, { template: "its own" }), undefined);
});
