import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";

test("sources are formatted as they are to be, and the linter finds nothing", () => {
  const biome = createRequire(import.meta.url).resolve("@biomejs/biome/bin/biome");
  const { status, stdout, stderr } = spawnSync(process.execPath, [biome, "check", "--colors=off", "."], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
});
