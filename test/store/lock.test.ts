import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { acquireLock } from "../../src/store/lock.ts";
import { extent } from "../support/extent.ts";
import { scratch } from "../support/students.ts";

const LOCK = resolve(import.meta.dirname, "../../src/store/lock.js");

/** A process that takes the lock, says so, and keeps it until it is killed or told to end. */
function holder(folder: string) {
  const code = `import { acquireLock } from ${JSON.stringify(LOCK)};
    try { const lock = await acquireLock(${JSON.stringify(folder)}, "It"); console.log("held");
      process.stdin.once("data", () => { lock.release(); process.exit(0); }); }
    catch (error) { console.log(error.message); }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["pipe", "pipe", "inherit"] });
  const said = new Promise<string>((done) => child.stdout.once("data", (text) => done(String(text).trim())));
  const ended = new Promise((done) => child.once("exit", done));
  return { child, said, ended };
}

test("one process holds a lock, others are told which, and a killed one leaves it to the next", async () => {
  const folder = join(scratch(), "lock");
  const first = holder(folder);
  assert.equal(await first.said, "held");
  await assert.rejects(acquireLock(folder, "It"), new RegExp(`It is being written by .*process ${first.child.pid},`));
  first.child.kill("SIGKILL");
  await first.ended;
  const lock = await acquireLock(folder, "It");
  assert.match(await holder(folder).said, new RegExp(`process ${process.pid},`));
  lock.release();
  assert.deepEqual(readdirSync(folder), []);
});

test("of many processes that come at once at most one holds the lock", async () => {
  for (let round = 0; round < extent(2, 3); round++) {
    const folder = join(scratch(), "lock");
    const all = Array.from({ length: 6 }, () => holder(folder));
    const said = await Promise.all(all.map(({ said }) => said));
    assert.ok(said.filter((text) => text === "held").length <= 1, said.join("\n"));
    for (const { child } of all) child.kill("SIGKILL");
    await Promise.all(all.map(({ ended }) => ended));
  }
});

test("a lock of another machine holds as long as that is heard of, and names the file to remove", async () => {
  const folder = join(scratch(), "lock");
  const lock = await acquireLock(folder, "It");
  const [name] = readdirSync(folder) as [string];
  const owner = JSON.parse(readFileSync(join(folder, name), "utf8"));
  lock.release();
  const path = join(folder, "elsewhere.json");
  writeFileSync(path, JSON.stringify({ ...owner, host: "far", machine: "far", pid: 1 }));
  await assert.rejects(
    acquireLock(folder, "It"),
    /process 1 on far, last heard of \d+ s ago.*remove .*elsewhere\.json/,
  );
  const long = new Date(Date.now() - 11 * 60_000);
  utimesSync(path, long, long);
  (await acquireLock(folder, "It")).release();
  assert.deepEqual(readdirSync(folder), []);
});

test("the number of a process that has ended, given to another one, holds nothing", async () => {
  const folder = join(scratch(), "lock");
  const lock = await acquireLock(folder, "It");
  const [name] = readdirSync(folder) as [string];
  const owner = JSON.parse(readFileSync(join(folder, name), "utf8"));
  lock.release();
  writeFileSync(join(folder, "earlier.json"), JSON.stringify({ ...owner, pid: process.ppid, began: "1" }));
  (await acquireLock(folder, "It")).release();
});
