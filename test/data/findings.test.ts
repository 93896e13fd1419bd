import assert from "node:assert/strict";
import { test } from "node:test";
import { collector, requireUsable } from "../../src/data/findings.ts";

const found = (faults: readonly string[]) => {
  const rows = collector();
  for (const fault of faults) rows.of({ where: "", fault }, () => []);
  return rows.found;
};

test("a reason that many rows share is said once, with the places of the others", () => {
  const line = (i: number) => `a, row.jsonl, line ${i} has ask. Expected columns "prompt" and "completion".`;
  const faults = Array.from({ length: 1000 }, (_, i) => line(i + 1));
  faults[3] = "a, row.jsonl, line 4: the completion opens a block.";
  assert.throws(
    () => requireUsable("a, row.jsonl", found(faults), {}),
    ({ message }: Error) => {
      assert.equal(message.match(/Expected columns/g)?.length, 1);
      assert.match(
        message,
        /^1000 of 1000 rows .*, line 1 has ask\. .* The same of lines 2, 3, 5, 6, .*, 19, 20\. a, row\.jsonl, line 4: the completion opens a block\. And 980 more\.$/,
      );
      return true;
    },
  );
});

test("a few rows are each named with their reason", () => {
  const faults = [1, 2, 3].map((i) => `x.csv, line ${i} has 2 cells, and the first line 3.`);
  assert.throws(() => requireUsable("x.csv", { ...found(faults), rows: 5 }, {}), {
    message: `3 of 5 rows of x.csv cannot be used. ${faults.join(" ")} trainer.on_bad_row: skip leaves such rows out.`,
  });
});
