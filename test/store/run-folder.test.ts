import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openRunFolder, readRunFolder } from "../../src/store/run-folder.ts";
import { encodeState, readState } from "../../src/store/state.ts";
import { scratch } from "../support/students.ts";

const fill = (text: string) => (folder: string) => writeFileSync(join(folder, "file"), text);

/** What is said on the screen meanwhile. */
async function heard(work: () => unknown): Promise<string> {
  const { error } = console;
  const said: string[] = [];
  console.error = (text: string) => said.push(text);
  try {
    await work();
  } finally {
    console.error = error;
  }
  return said.join("\n");
}

test("a new or an empty folder is claimed; one that holds something is refused and not touched", async () => {
  for (const make of [() => {}, (path: string) => mkdirSync(path)]) {
    const path = join(scratch(), "run");
    make(path);
    (await openRunFolder(path, "mine")).close();
    (await openRunFolder(path, "mine")).close();
    await assert.rejects(openRunFolder(path, "other"), /belongs to the recipe "mine"\. Give "other" another output/);
  }
  for (const name of ["dataset", "student/config.json", "notes.txt", "manifest.json"]) {
    const path = scratch();
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), "precious");
    await assert.rejects(openRunFolder(path, "mine"), /no run has claimed it .* Nothing there is touched/);
    assert.throws(() => readRunFolder(path, "mine"), /no run has claimed it/);
    assert.deepEqual(readdirSync(path), [name.split("/")[0]]);
    assert.equal(readFileSync(join(path, name), "utf8"), "precious");
  }
});

test("what somebody puts into a run's folder is never replaced or removed", async () => {
  const path = scratch();
  const run = await openRunFolder(path, "mine");
  mkdirSync(join(path, "student"));
  writeFileSync(join(path, "student", "mine"), "precious");
  writeFileSync(join(path, "metrics.jsonl"), "precious");
  assert.throws(() => run.reserve("student"), /student was not written by this run, and is not touched/);
  await assert.rejects(run.writeFolder("student", "key", fill("a")), /student was not written by this run/);
  assert.throws(() => run.writeFile("metrics.jsonl", "a"), /metrics\.jsonl was not written by this run/);
  assert.throws(() => run.place("metrics.jsonl"), /metrics\.jsonl was not written by this run/);
  assert.equal(readFileSync(join(path, "student", "mine"), "utf8"), "precious");

  await run.writeFolder("dataset", "one", fill("a"));
  writeFileSync(join(path, "dataset", "mine"), "precious");
  const said = await heard(() => run.writeFolder("dataset", "two", fill("b")));
  assert.match(said, /dataset\/mine was added to it\. It is kept as .*set-aside\/dataset-1/);
  assert.equal(readFileSync(join(path, "set-aside/dataset-1/mine"), "utf8"), "precious");
  assert.deepEqual(readdirSync(join(path, "dataset")).sort(), ["artefact.json", "file"]);

  writeFileSync(join(path, "dataset", "file"), "edited by hand");
  await heard(() => run.writeFolder("dataset", "three", fill("c")));
  assert.equal(readFileSync(join(path, "set-aside/dataset-2/file"), "utf8"), "edited by hand");

  rmSync(join(path, "dataset"), { recursive: true });
  mkdirSync(join(path, "dataset"));
  writeFileSync(join(path, "dataset", "file"), "another's");
  await assert.rejects(run.writeFolder("dataset", "four", fill("d")), /dataset was not written by this run/);
  run.close();
});

test("a sealed folder of another run is not this run's", async () => {
  const [a, b] = [await openRunFolder(scratch(), "a"), await openRunFolder(scratch(), "b")];
  await a.writeFolder("student", "key", fill("a"));
  await b.writeFolder("student", "key", fill("b"));
  rmSync(join(b.path, "student"), { recursive: true });
  mkdirSync(join(b.path, "student"));
  for (const file of readdirSync(join(a.path, "student")))
    writeFileSync(join(b.path, "student", file), readFileSync(join(a.path, "student", file)));
  assert.match(b.damage("student", { key: "key" })!, /was written by another run/);
  await assert.rejects(b.writeFolder("student", "key", fill("c")), /not written by this run, but by another one/);
  a.close();
  b.close();
});

test("damage is found by name, size and content, even where the time of the change was set back", async () => {
  const run = await openRunFolder(scratch(), "mine");
  const written = await run.writeFolder("student", "key", fill("weights"));
  const file = join(run.path, "student", "file");
  assert.equal(run.damage("student", written), undefined);
  assert.match(run.damage("student", { key: "other" })!, /under other settings/);
  const before = new Date(2020, 1, 1);
  utimesSync(file, before, before);
  assert.equal(run.damage("student", written), undefined);
  writeFileSync(file, "weighty");
  utimesSync(file, before, before);
  assert.match(run.damage("student", written)!, /its sha256 differs/);
  assert.match(run.damageBeforeReading("student", "key")!, /its sha256 differs/);
  writeFileSync(file, "weight");
  assert.match(run.damage("student", written)!, /has 6 bytes, and 7 were written/);
  rmSync(file);
  assert.match(run.damage("student", written)!, /file is missing/);
  await heard(() => run.writeFolder("student", "key", fill("weights")));
  rmSync(join(run.path, "student", "artefact.json"));
  assert.match(run.damage("student", written)!, /lost its seal/);
  run.close();
});

test("a claim that is lost is known from the manifest", async () => {
  const path = scratch();
  const run = await openRunFolder(path, "mine");
  run.writeState("manifest.json", { claim: run.claim });
  // what came since, before the manifest was written again
  mkdirSync(join(run.place("samples"), "key"), { recursive: true });
  writeFileSync(join(path, "samples/key/checksums.jsonl"), "");
  await run.writeFolder("checkpoints/step-1", "key", fill("weights"));
  run.close();
  mkdirSync(join(path, "mine/notes"), { recursive: true });
  const { id } = run;
  for (const harm of [
    () => rmSync(join(path, ".distill"), { recursive: true }),
    () => writeFileSync(join(path, ".distill/run.json"), "{"),
  ]) {
    harm();
    const again = await openRunFolder(path, "mine");
    assert.equal(again.id, id);
    assert.deepEqual(again.claim.names.sort(), ["checkpoints", "manifest.json", "samples"]);
    again.close();
    assert.ok(existsSync(join(path, ".distill/run.json")));
  }
});

test("a file or a link in the place of a folder stays, and what is no file is not waited for", async () => {
  const path = scratch();
  const run = await openRunFolder(path, "mine");
  for (const [i, put] of [
    (at: string) => writeFileSync(at, "precious"),
    (at: string) => symlinkSync("nowhere", at),
  ].entries()) {
    await run.writeFolder(`student-${i}`, "key", fill("weights"));
    rmSync(join(path, `student-${i}`), { recursive: true });
    put(join(path, `student-${i}`));
    const before = lstatSync(join(path, `student-${i}`)).ino;
    await assert.rejects(run.writeFolder(`student-${i}`, "key", fill("b")), /was not written by this run/);
    assert.equal(lstatSync(join(path, `student-${i}`)).ino, before);
  }
  run.close();
  if (process.platform === "win32") return;
  for (const name of ["manifest.json", ".distill/run.json", ".distill/hashes.json", "README.md"]) {
    rmSync(join(path, name), { force: true });
    execFileSync("mkfifo", [join(path, name)]);
  }
  assert.match(readState(join(path, "manifest.json"))!.damage!, /cannot be read .*manifest\.json is a pipe/);
  assert.throws(() => readRunFolder(path, "mine"), /no run has claimed it/);
  assert.throws(() => run.writeFile("README.md", "page"), /README\.md is a pipe\. Expected a file/);
});

test("a seal that is lost is made again where the manifest knows the files, and nowhere else", async () => {
  const path = scratch();
  let run = await openRunFolder(path, "mine");
  const student = await run.writeFolder("student", "key", fill("weights"));
  run.writeState("manifest.json", { claim: run.claim, stages: { train: { outputs: { student } }, export: null } });
  run.close();
  const seal = join(path, "student/artefact.json");
  const before = readFileSync(seal);
  for (const harm of [() => rmSync(seal), () => writeFileSync(seal, before.subarray(9))]) {
    harm();
    run = readRunFolder(path, "mine");
    assert.match(await heard(() => assert.equal(run.damage("student", student), undefined)), /Still the files are/);
    run = await openRunFolder(path, "mine");
    assert.match(await heard(() => run.reserve("student")), /artefact\.json .*It is made again, since the files are/);
    assert.deepEqual(readFileSync(seal), before);
    run.close();
  }
  rmSync(seal);
  writeFileSync(join(path, "student/file"), "precious");
  run = await openRunFolder(path, "mine");
  assert.throws(() => run.reserve("student"), /student was not written by this run, and is not touched/);
  assert.ok(!existsSync(seal));
  run.close();
});

test("a state of which any bit changes is no state", () => {
  const path = join(scratch(), "state.json");
  const text = encodeState({ key: "abc", tokens: 12, list: [1, { a: null }] });
  writeFileSync(path, text);
  assert.deepEqual(readState(path)?.state, { key: "abc", tokens: 12, list: [1, { a: null }] });
  let harmless = 0;
  for (let at = 0; at < text.length; at++) {
    const bytes = Buffer.from(text);
    bytes[at]! ^= 1;
    writeFileSync(path, bytes);
    const read = readState(path);
    if (read?.state) {
      assert.deepEqual(read.state, { key: "abc", tokens: 12, list: [1, { a: null }] }, `byte ${at}`);
      harmless++; // blanks
    }
  }
  assert.ok(harmless < text.length / 4);
});
