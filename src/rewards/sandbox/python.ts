/**
 * @file Python in WebAssembly: programs run in an interpreter whose state is written back after each of them, or, where a
 * program did what cannot be undone, in one that is made anew.
 */

import { readFileSync } from "node:fs";
import vm from "node:vm";
import { clip, type Engine, type Job, type Outcome, SUM_BYTES } from "./protocol.ts";
import { LOOP } from "./python-codec.ts";
import { JUDGE } from "./python-judge.ts";
import { endOf, readObject, verdictOf } from "./python-outcome.ts";
import { PROGRAM } from "./python-program.ts";
import { bootPython, pythonImage, type Realm } from "./python-realm.ts";
import { session } from "./python-session.ts";
import { WASM } from "./python-wasm.ts";

/** Of the process's stack the interpreter's own takes a twentieth, so that Python's limit comes before the machine's. */
const STACK_SHARE = 20;

const LINES = { run: "run_job()", serve: "serve_job()", judge: "judge_job()" };

/** `imageFile` has what pythonImage made and a sum after it, which whoever names it has compared; without one it is made. */
export async function openPython(stackBytes: number, imageFile?: string): Promise<Engine> {
  const stack = Math.floor(stackBytes / STACK_SHARE / 65_536) * 65_536;
  const image = imageFile ? readFileSync(imageFile).subarray(0, -SUM_BYTES) : await pythonImage();
  const open = async (guest: string, remote: (text: unknown) => string) => {
    const realm = await bootPython(image);
    vm.runInContext(`python.runPython(${JSON.stringify(guest)});${session(LINES, stack)}session.keep();`, realm);
    vm.runInContext("session.connect", realm)(Object.setPrototypeOf(remote, null));
    return realm;
  };
  const openProgram = () => open(`${PROGRAM}${LOOP}${WASM}shut()`, (text) => serve(judge, text));
  const openJudge = () => open(`${JUDGE}${LOOP}`, (text) => serve(program, text));

  /** The one way from one side to the other: text in, text out. */
  const serve = (side: Realm | undefined, text: unknown): string => {
    const answer: unknown = vm.runInContext(`session.serve(${JSON.stringify(String(text))}, "serve")`, side!);
    return typeof answer === "string" ? answer : "!null";
  };

  let program: Realm | undefined = await openProgram();
  let judge: Realm | undefined;

  return {
    async prepare(kind) {
      const missing = !program || (kind === "assertion" && !judge);
      program ??= await openProgram();
      if (kind === "assertion") judge ??= await openJudge();
      return missing;
    },
    run(job) {
      const inside = (realm: Realm, call: string) =>
        readObject(vm.runInContext(`session.${call}`, realm, { breakOnSigint: true }));
      const { limits } = job;
      let judging = false;
      try {
        const name = job.kind === "stdin" ? "__main__" : "solution";
        const message = JSON.stringify([job.program, name]).replace(/[^\x20-\x7e]/g, escaped);
        const given = JSON.stringify([message, job.kind === "stdin" ? job.stdin : "", limits.output_bytes]);
        const ran = inside(program!, `run(${JSON.stringify(given)}, "run")`);
        const outcome = outcomeOf(ran, job);
        if (job.kind === "stdin" || outcome.status !== "finished") return outcome;
        judging = true;
        const test = JSON.stringify(job.test).replace(/[^\x20-\x7e]/g, escaped);
        const { said, failed } = inside(judge!, `run(${JSON.stringify(JSON.stringify([test, "", 0]))}, "judge")`);
        if (typeof said !== "string" || said[0] !== ".")
          return { status: "failed", reason: `the test broke down: ${clip(String(failed))}` };
        return verdictOf(said.slice(1));
      } catch (error) {
        program = undefined;
        if (judging) judge = undefined;
        if ((error as { code?: unknown })?.code === "ERR_SCRIPT_EXECUTION_INTERRUPTED")
          return { status: "limit", reason: `time limit of ${limits.time_ms / 1000} s` };
        return { status: "failed", reason: "the interpreter broke down" };
      } finally {
        program = isFresh(program) ? program : undefined;
        if (judging) judge = isFresh(judge) ? judge : undefined;
      }
    },
  };
}

const escaped = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** Whether a realm is again as no program has seen it. */
function isFresh(realm: Realm | undefined): boolean {
  if (!realm) return false;
  try {
    return vm.runInContext("session.reset()", realm, { timeout: 10_000 }) === "";
  } catch {
    return false;
  }
}

/** What a realm says of a run. Nothing in it is believed beyond what printing could have said. */
function outcomeOf({ said, over, stdout, failed }: Record<string, unknown>, job: Job): Outcome {
  if (over === true) return { status: "limit", reason: `output limit of ${job.limits.output_bytes} bytes` };
  if (typeof stdout !== "string" || typeof said !== "string")
    return { status: "failed", reason: "the interpreter broke down" };
  const left = /^Program terminated with exit\((\d+)\)$/.exec(String(failed ?? ""))?.[1];
  if (left === "0" && job.kind === "stdin") return { status: "finished", stdout };
  if (left !== undefined)
    return { status: "failed", reason: left === "0" ? "it ended before the test" : `exit code ${left}` };
  if (failed !== undefined || said[0] !== "!")
    return { status: "failed", reason: clip(typeof failed === "string" ? failed : "the interpreter broke down") };
  return endOf(said.slice(1), job, stdout);
}
