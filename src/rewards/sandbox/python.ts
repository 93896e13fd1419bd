/** @file Python in WebAssembly: each run of a program gets a realm and an interpreter of its own. */

import vm from "node:vm";
import { clip, type Engine, type Job, type Outcome } from "./protocol.ts";
import { JUDGE, PROGRAM } from "./python-guest.ts";
import { bootPython, pythonImage, type Realm } from "./python-realm.ts";

/** Inside the realm: standard streams with an end, and what calls into Python. */
const SESSION = `"use strict";
globalThis.session = (() => {
  const { runPython, globals } = python, encoder = new TextEncoder(), decoder = new TextDecoder();
  const { stringify } = JSON;
  // nothing goes on after a run
  globalThis.setTimeout = () => 0;
  let input = new Uint8Array(), at = 0, chunks = [], size = 0, room = 0, over = false;
  python.setStdin({ read(buffer) {
    const n = Math.min(buffer.length, input.length - at);
    buffer.set(input.subarray(at, at + n));
    at += n;
    return n;
  } });
  python.setStdout({ write(buffer) {
    if (size + buffer.length > room) { over = true; throw new Error("too much output"); }
    size += buffer.length;
    chunks.push(buffer.slice());
    return buffer.length;
  } });
  python.setStderr({ write: (buffer) => buffer.length });
  const guarded = (call) => {
    try { return String(call()); }
    catch (error) {
      const message = String(error?.message ?? error).slice(0, 300);
      return stringify({ exit: Number(/^Program terminated with exit\\((\\d+)\\)$/.exec(message)?.[1] ?? -1), message });
    }
  };
  return {
    run(source, stdin, limit) {
      input = encoder.encode(stdin);
      room = limit;
      const ended = guarded(() => globals.get("run_program")(source));
      const all = new Uint8Array(size);
      let n = 0;
      for (const chunk of chunks) { all.set(chunk, n); n += chunk.length; }
      return stringify({ ended, over, stdout: decoder.decode(all) });
    },
    serve: (request) => guarded(() => globals.get("serve")(request)),
    judge: (test) => guarded(() => globals.get("judge")(test)),
    connect(remote) { globals.set("remote", remote); },
  };
})();`;

export async function openPython(): Promise<Engine> {
  const image = await pythonImage();
  const open = async (guest: string) => {
    const realm = await bootPython(image);
    vm.runInContext(`python.runPython(${JSON.stringify(guest)});${SESSION}`, realm);
    return realm;
  };

  let program: Realm | undefined = await open(PROGRAM);
  let judge: Realm | undefined;
  /** The one way from the judge's realm to the program's: text in, text out. */
  const remote = Object.setPrototypeOf((request: unknown) => {
    const answer: unknown = vm.runInContext(`session.serve(${JSON.stringify(String(request))})`, program!);
    return typeof answer === "string" ? answer : "null";
  }, null);

  return {
    async prepare(kind) {
      program ??= await open(PROGRAM);
      if (kind === "assertion" && !judge) {
        judge = await open(JUDGE);
        vm.runInContext("session.connect", judge)(remote);
      }
    },
    run(job) {
      const until = Date.now() + job.limits.time_ms;
      const inside = (realm: Realm, call: string) =>
        readObject(vm.runInContext(`session.${call}`, realm, { timeout: Math.max(1, until - Date.now()) }));
      try {
        const ran = inside(
          program!,
          `run(${JSON.stringify(job.program)}, ${stdinOf(job)}, ${job.limits.output_bytes})`,
        );
        const outcome = outcomeOf(ran, job);
        if (job.kind === "stdin" || outcome.status !== "finished") return outcome;
        const judged = inside(judge!, `judge(${JSON.stringify(job.test)})`);
        if (judged.passed === true) return { status: "finished", stdout: "" };
        if (typeof judged.failed === "string") return { status: "failed", reason: clip(judged.failed) };
        judge = undefined;
        if (typeof judged.unreadable === "string")
          return { status: "unreadable", reason: `the test cannot be read: ${clip(judged.unreadable)}` };
        return { status: "crashed", reason: `the judging interpreter failed: ${clip(String(judged.message))}` };
      } catch (error) {
        judge = undefined;
        if ((error as { code?: unknown })?.code === "ERR_SCRIPT_EXECUTION_TIMEOUT")
          return { status: "limit", reason: `time limit of ${job.limits.time_ms / 1000} s` };
        return { status: "failed", reason: "the interpreter broke down" };
      } finally {
        program = undefined;
      }
    },
  };
}

const stdinOf = (job: Job) => JSON.stringify(job.kind === "stdin" ? job.stdin : "");

/** What a realm says of a run. Nothing in it is believed beyond what printing could have said. */
function outcomeOf({ ended, over, stdout }: Record<string, unknown>, job: Job): Outcome {
  if (over === true) return { status: "limit", reason: `output limit of ${job.limits.output_bytes} bytes` };
  if (typeof stdout !== "string" || typeof ended !== "string")
    return { status: "failed", reason: "the interpreter broke down" };
  const end: unknown = JSON.parse(ended);
  if (Array.isArray(end)) {
    const [error, code] = end;
    if (error === "exit" && code !== 0) return { status: "failed", reason: `exit code ${clip(String(code), 20)}` };
    if (error === "exit" && job.kind === "assertion") return { status: "failed", reason: "it ended before the test" };
    if (error && error !== "exit") return { status: "failed", reason: clip(String(error)) };
    return { status: "finished", stdout };
  }
  const { exit, message } = readObject(ended);
  if (exit === 0 && job.kind === "stdin") return { status: "finished", stdout };
  return { status: "failed", reason: clip(typeof message === "string" ? message : "the interpreter broke down") };
}

function readObject(text: unknown): Record<string, unknown> {
  const value: unknown = typeof text === "string" ? JSON.parse(text) : undefined;
  return Object.assign(Object.create(null), value);
}
