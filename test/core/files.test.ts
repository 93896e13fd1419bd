import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DistillError, refusedByTheMachine } from "../../src/core/errors.ts";
import { isStream, writeFolder, writeWhole, writeWholeFrom } from "../../src/core/files.ts";

const folder = mkdtempSync(join(tmpdir(), "files-"));

test("a write that fails half-way leaves the old file and nothing else", async () => {
  const path = join(folder, "a");
  writeWhole(path, "old");
  async function* failing() {
    yield Buffer.from("new");
    throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  }
  await assert.rejects(
    writeWholeFrom(path, failing()),
    new DistillError(`Cannot write ${path}: ENOSPC: no space left on device. Nothing was written there.`),
  );
  assert.equal(readFileSync(path, "utf8"), "old");
  assert.deepEqual(readdirSync(folder), ["a"]);
});

test(
  "what takes and keeps nothing is told from a file, also where a file is in memory",
  { skip: process.platform === "win32" },
  () => {
    for (const path of ["/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]) assert.ok(isStream(path), path);
    const file = join(mkdtempSync(join(tmpdir(), "files-")), "kept");
    writeWhole(file, "kept");
    for (const path of [folder, file, `${file}.new`, "/dev/shm/run/model.onnx"]) assert.ok(!isStream(path), path);
  },
);

test("a folder appears with all of its files or not at all", async () => {
  const path = join(folder, "run");
  await assert.rejects(
    writeFolder(path, (into) => {
      writeFileSync(join(into, "x"), "1");
      throw new Error("killed");
    }),
  );
  assert.deepEqual(readdirSync(folder), ["a"]);
  await writeFolder(path, (into) => writeFileSync(join(into, "x"), "1"));
  assert.deepEqual(readdirSync(path), ["x"]);
});

test("what the machine refuses has a cure", () => {
  for (const [code, cure] of [
    ["EXDEV", /link to another disk: let the whole folder of the run be the link/],
    ["EISDIR", /folder lies where a file belongs/],
    ["EEXIST", /lies where a folder belongs/],
    ["ELOOP", /A link leads to itself/],
  ] as const) {
    const refused = Object.assign(new Error(`${code}: refused, rename 'a' -> 'b'`), {
      ...{ code, syscall: "rename", path: "a", dest: "b" },
    });
    assert.match(refusedByTheMachine(refused)!, cure);
  }
});
