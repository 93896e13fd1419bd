import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { distill } from "../support/cli.ts";
import { recipe } from "../support/recipes.ts";

const lines = (count: number) =>
  Array.from({ length: count }, (_, i) => `${JSON.stringify({ prompt: `${i}*1+0=?`, completion: `${i}` })}\n`).join("");

test("rows of several sources are one dataset, and what is taken of each is what it hangs on", async () => {
  const { path, output, folder } = recipe({
    dataset: {
      mix: [
        { path: "rows.jsonl", limit: 3 },
        { generate: { type: "arithmetic" }, rows: 5 },
      ],
    },
  });
  writeFileSync(join(folder, "rows.jsonl"), lines(4));
  const shown = await distill("inspect", path);
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out, /rows +8\n/);
  const short = ["trainer.max_steps=1"];
  assert.match((await distill("train", path, ...short)).out, /8 examples/);
  assert.match((await distill("train", path, ...short)).out, /Everything was up to date/);
  writeFileSync(join(folder, "rows.jsonl"), lines(5));
  assert.match((await distill("train", path, ...short)).out, /train: dataset/);
  assert.match(
    (await distill("train", path, ...short, `dataset.mix=[{path: ${join(folder, "rows.jsonl")}}]`)).out,
    /5 examples/,
  );
  assert.ok(output);
});

test("a mixture without a source, of one that is not there, or of a folder and a generator at once, is refused", async () => {
  for (const [mix, said] of [
    [[], /dataset/],
    [[{ path: "gone.jsonl" }], /gone\.jsonl/],
    [[{ path: "rows.jsonl", rows: 5 }], /dataset/],
  ] as const) {
    const { path } = recipe({ dataset: { mix } });
    const { code, err } = await distill("train", path);
    assert.equal(code, 1);
    assert.match(err, said);
  }
});
