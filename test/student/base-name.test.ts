import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { baseName } from "../../src/student/base-name.ts";
import { scratch } from "../support/students.ts";

const nothing = new Map<string, string>();
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

test("an adapter's base is called by its name on the hub where it has one, else by its folder", () => {
  const hub = new Map([["/cache/x", `hf:owner/name@${COMMIT}`]]);
  assert.equal(baseName("/cache/x", { _name_or_path: "other/model" }, hub), "owner/name");
  const cached = `/root/.cache/huggingface/hub/models--HuggingFaceTB--SmolLM2-135M/snapshots/${COMMIT}`;
  for (const path of [cached, `${cached}/`])
    assert.equal(baseName(path, { _name_or_path: "other/model" }, nothing), "HuggingFaceTB/SmolLM2-135M");
  assert.equal(
    baseName("/models/x", { _name_or_path: "HuggingFaceTB/SmolLM2-135M" }, nothing),
    "HuggingFaceTB/SmolLM2-135M",
  );
});

test("what is no name on the hub leaves the folder", () => {
  for (const path of [
    "/models/models--a--b",
    `/x/models--gpt2/snapshots/${COMMIT}`,
    `/x/datasets--a--b/snapshots/${COMMIT}`,
    `/x/models--a--b--c/snapshots/${COMMIT}`,
  ])
    assert.equal(baseName(path, {}, nothing), path);
  for (const _name_or_path of [
    "",
    "gpt2",
    "/root/models",
    "./models",
    "models/",
    "../models",
    "a/..",
    "a/b/c",
    3,
    null,
  ])
    assert.equal(baseName("/models/x", { _name_or_path }, nothing), "/models/x");
  const there = join(scratch(), "owner/name");
  mkdirSync(there, { recursive: true });
  const here = process.cwd();
  process.chdir(join(there, "../.."));
  try {
    assert.equal(baseName("/models/x", { _name_or_path: relative(".", there) }, nothing), "/models/x");
  } finally {
    process.chdir(here);
  }
});
