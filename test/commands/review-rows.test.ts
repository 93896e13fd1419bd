import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { completionHash } from "../../src/data/decisions.ts";
import { distill } from "../support/cli.ts";
import { recipe } from "../support/recipes.ts";
import { scratch } from "../support/students.ts";

test("what people decide about a dataset that is no run is trained on accordingly, and training is due again", async () => {
  const rows = join(scratch(), "rows.jsonl");
  const all = Array.from({ length: 12 }, (_, i) => ({ prompt: `${i}+${i}`, completion: `${2 * i}` }));
  writeFileSync(rows, all.map((row) => JSON.stringify(row)).join("\n"));
  const { path, output } = recipe({ dataset: { path: rows }, trainer: { max_length: 64, max_steps: 1 } });
  const trained = () =>
    JSON.parse(readFileSync(join(output, "manifest.json"), "utf8")).stages.train.result.examples as number;
  assert.equal((await distill("train", path)).code, 0);
  assert.equal(trained(), 12);

  const lines = join(scratch(), "decisions.jsonl");
  const said = (row: number, decision: string, edited: string | null = null, hour = 0) =>
    JSON.stringify({
      ...{ prompt_id: `row-${row}`, sample: 0, completion_hash: completionHash(`${2 * (row - 1)}`), reviewer: "Ada" },
      ...{ decision, edited, time: new Date(1_770_000_000_000 + 3_600_000 * hour + 1000 * row).toISOString() },
    });
  writeFileSync(lines, [said(1, "drop"), said(2, "drop"), said(3, "keep", "four")].join("\n"));
  assert.match((await distill("review", rows, "--import", lines)).out, /^3 decisions were added/);
  const again = await distill("train", path);
  assert.equal(again.code, 0, again.err);
  assert.equal(trained(), 10);
  assert.match(
    again.err,
    /Of 12 rows of .*rows\.jsonl 2 were dropped in review and left out, and 1 are read as edited there\./,
  );
  assert.match((await distill("train", path)).out, /up to date/);

  writeFileSync(lines, said(99, "drop"));
  await distill("review", rows, "--import", lines);
  assert.match((await distill("inspect", path)).out, /1 decisions of a review are about rows that it does not\s+have/);

  writeFileSync(lines, all.map((_, i) => said(i + 1, "drop", null, 1)).join("\n"));
  await distill("review", rows, "--import", lines);
  const none = await distill("train", path);
  assert.equal(none.code, 1);
  assert.match(none.err, /All 12 rows of .* were dropped in review\. distill review .*rows\.jsonl shows them\./);
});

test("what was selected of a run's traces is not reviewed, but these", async () => {
  const run = scratch();
  mkdirSync(join(run, "dataset"));
  writeFileSync(join(run, "manifest.json"), "{}");
  assert.equal(
    (await distill("review", join(run, "dataset"))).err,
    `Error: ${join(run, "dataset")} is what was selected of a run's traces. Review those: distill review ${run}.\n`,
  );
});
