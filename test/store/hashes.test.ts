import assert from "node:assert/strict";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256 } from "../../src/core/hash.ts";
import { fileHashes } from "../../src/store/hashes.ts";
import { scratch } from "../support/students.ts";

test("names that cannot be opened are passed over", () => {
  const folder = scratch();
  writeFileSync(join(folder, "a"), "a");
  const hash = fileHashes("none").folder(folder);
  symlinkSync(join(folder, "nowhere"), join(folder, "link"));
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xe9])]), "not UTF-8");
  assert.equal(fileHashes("none").folder(folder), hash);
});

test("a file that was touched just now is read again: disks have coarse times, and a second change may leave the same", () => {
  const folder = scratch();
  const [path, memory] = [join(folder, "rows.jsonl"), join(folder, "hashes.json")];
  writeFileSync(path, "one");
  const remembered = (now: number) => {
    const written: string[] = [];
    const hashes = fileHashes(
      memory,
      (_, content) => written.push(content),
      () => now,
    );
    assert.equal(hashes.file(path), sha256(path));
    hashes.save();
    return written.join().includes("rows.jsonl");
  };
  assert.equal(remembered(Date.now()), false);
  assert.equal(remembered(Date.now() + 10_000), true);
});

test("what is remembered of a file holds until it is touched, whatever its size", () => {
  const path = join(scratch(), "rows.jsonl");
  const hashes = fileHashes("none", undefined, () => Date.now() + 10_000);
  for (const text of ["one", "two", "three"]) {
    writeFileSync(path, text);
    for (let i = 0; i < 2; i++) assert.equal(hashes.file(path), sha256(path), text);
  }
});
