import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { DistillError, refusedByTheMachine } from "../../src/core/errors.ts";
import { makeFolder, reservePlace, writeFolder, writeOver, writeWhole, writeWholeFrom } from "../../src/core/files.ts";
import { sha256 } from "../../src/core/hash.ts";
import { readText } from "../../src/core/reading.ts";
import { isStream } from "../../src/core/streams.ts";

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

const unix = { skip: process.platform === "win32" };

test("what has no end, or nobody at the other one, is not waited for", unix, () => {
  const place = mkdtempSync(join(tmpdir(), "files-"));
  const pipe = join(place, "pipe");
  execFileSync("mkfifo", [pipe]);
  assert.throws(() => readText(pipe, "Recipe"), /pipe is a pipe, and nothing came from it in 1 s\./);
  assert.throws(() => writeOver(pipe, "rows", "a page", () => true), /pipe is a pipe, and nobody reads from it\./);
  assert.throws(() => readText("/dev/zero", "Recipe"), /gives more than \d+ bytes/);
  for (const path of [pipe, "/dev/zero"]) assert.throws(() => sha256(path), /is a (pipe|device)\. Expected a file\./);
  // what comes from a pipe comes once, and may be asked for again
  const other = openSync(pipe, constants.O_RDWR);
  writeFileSync(other, "name: mine\n");
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  closeSync(other);
  assert.equal(readText(pipe, "Recipe"), "name: mine\n");
  assert.equal(readText(pipe, "Recipe"), "name: mine\n");
  closeSync(reader);
});

test("folders are made, or it is said why none can be", unix, () => {
  const place = mkdtempSync(join(tmpdir(), "files-"));
  makeFolder(join(place, "a", "b"));
  makeFolder(join(place, "a", "b"));
  assert.deepEqual(readdirSync(join(place, "a")), ["b"]);
  symlinkSync(join(place, "unmounted"), join(place, "disk"));
  for (const path of ["disk", "disk/runs/mine"])
    assert.throws(() => makeFolder(join(place, path)), /disk is a link to .*unmounted, which is not there/);
  if (process.platform === "linux")
    assert.throws(() => makeFolder("/proc/runs/mine"), /No folder can be made in \/proc/);
});

test("what a user names keeps its place behind a link", unix, async () => {
  const place = mkdtempSync(join(tmpdir(), "files-"));
  const [file, link] = [join(place, "file"), join(place, "link")];
  writeFileSync(file, "before");
  symlinkSync("file", link);
  writeOver(link, "after", "a page", () => true);
  assert.equal(readFileSync(file, "utf8"), "after");
  await writeWholeFrom(link, (async function* () {})());
  assert.equal(readFileSync(file, "utf8"), "");
  rmSync(file);
  assert.throws(() => writeOver(link, "after", "a page", () => true), /link is a link to file, which is not there/);
  assert.ok(lstatSync(link).isSymbolicLink());
});

test("a folder that another process is about to make is refused before there is work for it", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "files-")), "kept");
  const theirs = `${path}.${hostname().replace(/[^\w-]/g, "-")}.${process.ppid}.tmp`;
  mkdirSync(theirs);
  assert.throws(() => reservePlace(path), new RegExp(`kept is about to be written .*process ${process.ppid}`));
  assert.deepEqual(readdirSync(dirname(path)), [basename(theirs)]);
  rmdirSync(theirs);
  mkdirSync(theirs.replace(`.${process.ppid}.`, ".999999999.")); // of a process that is gone
  const release = reservePlace(path);
  await writeFolder(path, (into) => writeFileSync(join(into, "x"), "1"));
  release();
  assert.deepEqual(readdirSync(dirname(path)), ["kept"]);
});

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
