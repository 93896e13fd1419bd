import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { CLI, COMMAND, distill, startDistill } from "../support/cli.ts";
import { recipe } from "../support/recipes.ts";

const CRASH = pathToFileURL(resolve(import.meta.dirname, "../support/crash.js")).href;

const studentOf = ({ output }: { output: string }) => readFileSync(join(output, "student", "model.safetensors"));

/** The process that a command line computes in. */
function working(pid: number): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  return children.length > 0 ? Number(children[0]) : undefined;
}

test("a library that crashes ends in a sentence and code 139, and the run goes on bit for bit", async () => {
  const [whole, crashed] = [recipe(), recipe()];
  assert.equal((await distill("train", whole.path)).code, 0);
  for (const place of ["manifest.json", "checkpoints/step-4", "metrics.jsonl", "checkpoints/step-12"]) {
    const env = { NODE_OPTIONS: `--import ${CRASH}`, DISTILL_TEST_CRASH: join(crashed.output, place) };
    const { code, err } = await startDistill(["train", crashed.path], env).ended;
    assert.equal(code, 139, err);
    assert.match(
      err,
      /^Error: A library that distill train computes with crashed \(SIGSEGV\)\. What was written before/m,
    );
    assert.doesNotMatch(err, /\n\s+at /);
  }
  assert.ok(existsSync(join(crashed.output, "checkpoints", "step-12")));
  assert.equal((await distill("train", crashed.path)).code, 0);
  assert.deepEqual(studentOf(crashed), studentOf(whole));
});

const SIGNALS = [
  ["SIGSEGV", 139, /crashed \(SIGSEGV\)/],
  ["SIGABRT", 134, /crashed \(SIGABRT; its own words stand above\)/],
  ["SIGBUS", 135, /crashed \(SIGBUS\)/],
  ["SIGKILL", 137, /was killed \(SIGKILL\), which is what the system does where memory runs out/],
] as const;

test(
  "each way in which the process that computes can die is a sentence and the code that shells give it",
  {
    skip: process.platform !== "linux" && "finds the process in /proc",
  },
  async () => {
    for (const [signal, expected, sentence] of SIGNALS) {
      const { path, output } = recipe({ trainer: { max_length: 128, max_steps: 5000, save_steps: 5 } });
      const { child, ended } = startDistill(["train", path]);
      while (!existsSync(join(output, "checkpoints/step-5")) && child.exitCode === null) await sleep(5);
      process.kill(working(child.pid!)!, signal);
      const { code, err } = await ended;
      assert.equal(code, expected, err);
      assert.match(err, sentence);
    }
  },
);

test(
  "where who watches is killed, so is what it watches",
  {
    skip: process.platform !== "linux" && "finds the process in /proc",
  },
  async () => {
    const { path, output } = recipe({ trainer: { max_length: 128, max_steps: 5000, save_steps: 5 } });
    const { child } = startDistill(["train", path]);
    while (!existsSync(join(output, "checkpoints/step-5")) && child.exitCode === null) await sleep(5);
    const pid = working(child.pid!)!;
    child.kill("SIGKILL");
    for (let tries = 0; tries < 500 && isRunning(pid); tries++) await sleep(10);
    assert.ok(!isRunning(pid));
  },
);

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

test("a library that crashes when the work is done changes neither the code nor what is said", async () => {
  const env = { NODE_OPTIONS: `--import ${CRASH}`, DISTILL_TEST_CRASH: "at exit" };
  const { path, output } = recipe({ trainer: { max_length: 128, max_steps: 2 } });
  const done = await startDistill(["train", path], env).ended;
  assert.equal(done.code, 0, done.err);
  assert.doesNotMatch(done.err, /crashed/);
  assert.ok(existsSync(join(output, "student", "model.safetensors")));
  assert.equal((await startDistill(["train", "nowhere.yaml"], env).ended).code, 1);
});

test("a command that fails by itself has its own words and code, and no more", async () => {
  const { code, err } = await startDistill(["train", "nowhere.yaml"]).ended;
  assert.deepEqual({ code, err }, { code: 1, err: "Error: Recipe not found: nowhere.yaml.\n" });
});

test(
  "what is printed to a full disk is said once and ends with code 1, and a reader that is gone ends nothing",
  { skip: existsSync("/dev/full") ? false : "this system has no /dev/full" },
  () => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [...COMMAND, "options"], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    closeSync(full);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^Error: What this command prints cannot be written where it is to go: ENOSPC\b.*\n$/);
    const piped = `"${process.execPath}" "${CLI}" options | true; exit "\${PIPESTATUS[0]}"`;
    const gone = spawnSync("bash", ["-c", piped], { encoding: "utf8" });
    assert.deepEqual([gone.status, gone.stderr], [0, ""]);
  },
);
