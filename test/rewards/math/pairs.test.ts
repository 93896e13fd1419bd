import assert from "node:assert/strict";
import { test } from "node:test";
import { gradePairs } from "./pairs/index.ts";

test("6,300 generated pairs of known truth: none that differ is correct, and at most one in a hundred equal ones is missed", () => {
  const { kinds, wrong, missed } = gradePairs(6_300, 3);
  assert.deepEqual(wrong, []);
  for (const [kind, count] of Object.entries(kinds)) {
    assert.ok(count.equal > 100 && count.pairs - count.equal > 100, kind);
    assert.ok(
      count.missed * 100 <= count.equal,
      `${kind}: ${JSON.stringify(missed.filter((pair) => pair.kind === kind)[0])}`,
    );
  }
});
