/** @file Loads thousands of mutated files in a process of their own, so that a crash or a hang is one result among others. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export type Outcome = {
  valid: number;
  refused: number;
  /** The sentences, numbers and names left out, and how often each came. */
  sentences: Map<string, number>;
  /** What was neither loaded nor refused, with the number of its seed. */
  failures: string[];
  megabytes: number;
};

/**
 * What a load may take: seconds of work, megabytes, and milliseconds without a word after which it has hung, which are far
 * above the work, for busy machines.
 */
export type Limits = { seconds: number; megabytes: number; patience: number };
export const LIMITS: Limits = { seconds: 2, megabytes: 1024, patience: 60_000 };

/** Load the first `count` mutations of a format, one after another. */
export async function loadMutations(name: string, count: number, limits = LIMITS): Promise<Outcome> {
  const outcome: Outcome = { valid: 0, refused: 0, sentences: new Map(), failures: [], megabytes: 0 };
  for (let next = 0; next < count; ) next = await loadFrom(name, next, count, limits, outcome);
  return outcome;
}

/** The first mutation that is still to be loaded. */
async function loadFrom(name: string, from: number, to: number, limits: Limits, outcome: Outcome): Promise<number> {
  const { seconds, megabytes, patience } = limits;
  const folder = mkdtempSync(join(tmpdir(), `distill-${name}-`));
  const child = spawn(
    process.execPath,
    [
      ...["--max-old-space-size=1024", join(import.meta.dirname, "child.js")],
      ...[name, folder, `${from}`, `${to}`, `${seconds}`, `${megabytes}`],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let [current, what, ended, hung, said] = [from - 1, "the start", false, false, ""];
  const fail = (why: string) => outcome.failures.push(`${name} ${current} (${what}): ${why}`);
  let timer = setTimeout(() => {}, 0);
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(
      () => {
        hung = true;
        child.kill("SIGKILL");
      },
      current < from ? LIMITS.patience : patience,
    );
  };
  wait();
  child.stderr.on("data", (piece) => {
    said = `${said}${piece}`.slice(-2000);
  });
  const exit = new Promise<number | null>((resolve) => child.on("close", resolve));
  for await (const line of createInterface(child.stdout)) {
    const [event, first, second] = JSON.parse(line) as [string, never, never];
    if (event === "start") [current, what] = [first, second];
    else if (event === "valid") outcome.valid++;
    else if (event === "refused") {
      outcome.refused++;
      const sentence = kindOf(first);
      outcome.sentences.set(sentence, (outcome.sentences.get(sentence) ?? 0) + 1);
    } else if (event === "failed") fail(first);
    else [ended, outcome.megabytes] = [true, Math.max(outcome.megabytes, first)];
    wait();
  }
  const code = await exit;
  clearTimeout(timer);
  rmSync(folder, { recursive: true, force: true });
  if (ended) return to;
  if (current < from)
    throw new Error(`${name}: no file was loaded, ${hung ? "in a minute" : `exit code ${code}`}: ${said}`);
  if (hung) fail("hung");
  else fail(`the process ended with ${code}: ${said}`);
  return current + 1;
}

const kindOf = (sentence: string): string =>
  sentence
    .replace(/\S*\/\S*/g, "…")
    .replace(/"[^"]*"/g, "…")
    .replace(/-?\d[\d.,e+]*/g, "…")
    .slice(0, 60);
