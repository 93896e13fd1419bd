import assert from "node:assert/strict";
import { test } from "node:test";
import { type Learned, templateToAsk } from "../../src/student/template.ts";

test("a student without a chat template is asked as its teacher was, if it learned from one", () => {
  const asked = (learned: Learned, template?: string) => templateToAsk(learned, { template });
  const teacher = (own: string | undefined) => ({ template: () => own });
  assert.equal(asked({}), "plain");
  assert.equal(asked({ teacher: teacher("r1"), dataset: { path: "pairs.jsonl" } }), "plain");
  assert.equal(asked({ teacher: teacher("r1") }), "r1");
  assert.equal(asked({ teacher: teacher(undefined) }), "plain");
  const unread: Learned = { teacher: { template: () => assert.fail("The teacher is read, and need not be.") } };
  assert.equal(asked(unread, "its own"), undefined);
  assert.equal(asked({ ...unread, dataset: {} }), "plain");
});
