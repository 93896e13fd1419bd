import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gradeMath, type Profile } from "../../../src/rewards/math/index.ts";

type Case = { id: string; kind: string; prediction: string; answer: string; expected: boolean; profile: Profile };

const cases = readFileSync("test/rewards/math/variants.jsonl", "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Case);

for (const kind of new Set(cases.map((row) => row.kind)))
  test(`${kind}: every spelling is read, and nothing that changes the answer is forgotten`, () => {
    const rows = cases.filter((row) => row.kind === kind);
    assert.ok(rows.length > 5);
    for (const { id, prediction, answer, expected, profile } of rows) {
      const { verdict, rule, ...read } = gradeMath({ completion: prediction, answer, profile });
      const shown = `${id}: ${prediction} v. ${answer}, read as ${read.prediction} and ${read.reference} (${rule})`;
      assert.equal(verdict, expected ? "correct" : "incorrect", shown);
    }
  });
