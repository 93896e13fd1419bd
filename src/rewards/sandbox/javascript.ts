/** @file JavaScript in QuickJS in WebAssembly: each run gets an engine, a heap and a context of its own. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSRuntime,
  RELEASE_SYNC,
} from "quickjs-emscripten";
import { JUDGE } from "./javascript-judge.ts";
import { PROGRAM } from "./javascript-program.ts";
import { clip, type Engine, type Job, type Outcome } from "./protocol.ts";

const { cpuUsage } = process; // which is gone when programs run

declare const WebAssembly: { Module: new (bytes: Uint8Array) => never };

const require = createRequire(createRequire(import.meta.url).resolve("quickjs-emscripten"));

/** Compiled once; each machine is an instance with a memory of its own. */
const variant = newVariant(RELEASE_SYNC, {
  wasmModule: new WebAssembly.Module(readFileSync(require.resolve("@jitl/quickjs-wasmfile-release-sync/wasm"))),
});

type Machine = {
  runtime: QuickJSRuntime;
  context: QuickJSContext;
  /** What the guest's prelude returned. */
  guest: QuickJSHandle;
  call(method: string, ...args: QuickJSHandle[]): string;
};

/** Thrown where a program is over: it failed, or a limit ended it. */
class Ended extends Error {
  readonly outcome: Outcome;
  constructor(status: "failed" | "limit", reason: string) {
    super(reason);
    this.outcome = { status, reason };
  }
}

export async function openJavascript(): Promise<Engine> {
  let program: Awaited<ReturnType<typeof openProgram>> | undefined = await openProgram();
  let judge: Machine | undefined;
  return {
    async prepare(kind) {
      program ??= await openProgram();
      if (kind === "assertion") judge ??= await openMachine();
      return true;
    },
    run(job) {
      try {
        return runJob(program!, judge, job);
      } finally {
        program = undefined;
        judge = undefined;
      }
    },
  };
}

async function openMachine(): Promise<Machine> {
  const module = await newQuickJSWASMModuleFromVariant(variant);
  const runtime = module.newRuntime();
  runtime.setMaxStackSize(1 << 20);
  const context = runtime.newContext();
  const machine: Machine = {
    runtime,
    context,
    guest: context.undefined,
    call(method, ...args) {
      const f = context.getProp(machine.guest, method);
      const value = unwrap(context, context.callFunction(f, machine.guest, ...args));
      return context.typeof(value) === "string" ? context.getString(value) : String(context.dump(value));
    },
  };
  return machine;
}

/** Run a prelude that finds `functions` in `__host`, and keep what it returns. Each takes one text, read when asked for. */
function install(
  machine: Machine,
  prelude: string,
  functions: Record<string, (text: () => string) => string | undefined>,
) {
  const { context } = machine;
  const host = context.newObject();
  for (const [name, f] of Object.entries(functions))
    context.setProp(
      host,
      name,
      context.newFunction(name, (text = context.undefined) => {
        const answer = f(() => context.getString(text));
        return answer === undefined ? context.undefined : context.newString(answer);
      }),
    );
  context.setProp(context.global, "__host", host);
  machine.guest = unwrap(context, context.evalCode(prelude, "prelude.js"));
}

function unwrap(context: QuickJSContext, result: ReturnType<QuickJSContext["evalCode"]>): QuickJSHandle {
  if (!result.error) return result.value;
  const thrown: unknown = context.dump(result.error);
  const { name, message } = (typeof thrown === "object" && thrown ? thrown : {}) as Record<string, unknown>;
  throw new Ended("failed", clip(message === undefined ? String(thrown) : `${name}: ${message}`));
}

async function openProgram() {
  const machine = await openMachine();
  const state = {
    stdin: "",
    chunks: [] as string[],
    room: 0,
    over: false,
    exit: undefined as number | undefined,
    /** What the test lends, while there is one. */
    lend: undefined as ((request: string) => string) | undefined,
  };
  install(machine, PROGRAM, {
    input: () => state.stdin,
    print(read) {
      // a loop of few steps with large texts is slow to be interrupted
      if (state.over) throw new Error("too much output");
      const text = read();
      state.room -= Buffer.byteLength(text);
      state.over = state.room < 0;
      if (!state.over) state.chunks.push(text);
      return undefined;
    },
    back: (request) => state.lend?.(request()) ?? '{"error":["Error","there is no test"]}',
    leave(code) {
      state.exit = Number(code());
      return undefined;
    },
  });
  return { machine, state };
}

function runJob(
  { machine, state }: Awaited<ReturnType<typeof openProgram>>,
  judge: Machine | undefined,
  job: Job,
): Outcome {
  const { limits } = job;
  const [until, start] = [Date.now() + limits.time_ms, cpuUsage()];
  /** Whether the program's own time is over: the wall clock is cheap to look at, and never behind. */
  const late = () => {
    if (Date.now() <= until) return false;
    const { user, system } = cpuUsage(start);
    return (user + system) / 1000 > limits.time_ms;
  };
  const stopped = () => state.over || state.exit !== undefined || late();
  for (const { runtime } of judge ? [machine, judge] : [machine]) {
    runtime.setMemoryLimit(limits.memory_mb << 20);
    runtime.setInterruptHandler(stopped);
  }
  state.room = limits.output_bytes;
  if (job.kind === "stdin") state.stdin = job.stdin;

  /** What a limit or an exit makes of how the guest seems to have ended. */
  const ended = (otherwise: Outcome): Outcome => {
    if (state.over) return { status: "limit", reason: `output limit of ${limits.output_bytes} bytes` };
    if (state.exit !== undefined && state.exit !== 0) return { status: "failed", reason: `exit code ${state.exit}` };
    if (state.exit === 0)
      return job.kind === "stdin"
        ? { status: "finished", stdout: state.chunks.join("") }
        : { status: "failed", reason: "it ended before the test" };
    if (late()) return { status: "limit", reason: `time limit of ${limits.time_ms / 1000} s` };
    return otherwise;
  };

  try {
    unwrap(machine.context, machine.context.evalCode(asScript(job.program), "main.js"));
    drain(machine, stopped);
    if (job.kind === "stdin" || stopped()) return ended({ status: "finished", stdout: state.chunks.join("") });
    state.lend = (request) => lend(judge!, request);
    return ended(runTest(machine, judge!, job.test, stopped));
  } catch (error) {
    if (error instanceof Ended) return ended(error.outcome);
    // the engine itself broke down, which only the program can have brought about
    return ended({ status: "failed", reason: `the engine broke down: ${clip(String((error as Error)?.message))}` });
  }
}

/** Promise jobs and timers until none is left. */
function drain(machine: Machine, stopped: () => boolean) {
  do {
    const done = machine.runtime.executePendingJobs();
    if (done.error) unwrap(machine.context, done as never);
  } while (!stopped() && machine.call("tick") === "true");
}

/** Something of the test's is called by the program. */
function lend(judge: Machine, request: string): string {
  try {
    const answer = judge.call("lend", judge.context.newString(request));
    if (answer !== "") return answer;
    judge.runtime.executePendingJobs();
    return judge.call("lent") || '{"error":["Error","a promise never settled"]}';
  } catch {
    return '{"error":["Error","the test cannot be asked"]}';
  }
}

function runTest(program: Machine, judge: Machine, test: string, stopped: () => boolean): Outcome {
  const serve = (request: string) => {
    const answer = program.call("serve", program.context.newString(request));
    if (answer !== "") return answer;
    drain(program, stopped);
    return program.call("settled") || '{"error":["Error","a promise never settled"]}';
  };
  install(judge, JUDGE, { ask: (request) => serve(request()) });
  const own = new Set<string>(JSON.parse(judge.call("names")));
  for (const name of namesOf(test)) {
    if (own.has(name)) continue;
    const found = program.context.evalCode(
      `typeof ${name} === "undefined" ? module.exports?.${name} : ${name}`,
      "lookup.js",
    );
    if (found.error || program.context.typeof(found.value) === "undefined") continue;
    judge.call("define", judge.context.newString(name), judge.context.newString(program.call("encode", found.value)));
  }
  const run = judge.context.evalCode(`(async () => {${test}\n})()`, "test.js");
  if (run.error) {
    const thrown: unknown = judge.context.dump(run.error);
    return {
      status: "unreadable",
      reason: `the test cannot be read: ${clip((thrown as Error)?.message ?? String(thrown))}`,
    };
  }
  const watch = judge.context.getProp(judge.guest, "watch");
  judge.context.callFunction(watch, judge.guest, run.value);
  judge.runtime.executePendingJobs();
  const { passed, failed } = JSON.parse(judge.call("verdict")) as { passed?: true; failed?: string };
  if (passed) return { status: "finished", stdout: "" };
  return { status: "failed", reason: clip(failed ?? "the test never ended") };
}

const RESERVED = new Set(
  "await async break case catch class const continue debugger default delete do else enum export extends false finally for function if import in instanceof let new null of return static super switch this throw true try typeof undefined var void while with yield arguments eval".split(
    " ",
  ),
);

/** Identifiers in a test that the program may define. */
function namesOf(test: string): Set<string> {
  const names = test.match(/(?<![\w$.])[A-Za-z_$][\w$]*/g) ?? [];
  return new Set(names.filter((name) => !RESERVED.has(name)));
}

/** `import` and `export` as what they mean to a script; modules here come from `require`. */
function asScript(program: string): string {
  return program
    .replace(/^[ \t]*import\s+\*\s+as\s+([\w$]+)\s+from\s+(["'][^"'\n]+["']);?/gm, "const $1 = require($2);")
    .replace(/^[ \t]*import\s+([\w$]+)\s+from\s+(["'][^"'\n]+["']);?/gm, "const $1 = require($2);")
    .replace(
      /^[ \t]*import\s+\{([^}]*)\}\s+from\s+(["'][^"'\n]+["']);?/gm,
      (_, names: string, from: string) => `const {${names.replace(/\bas\b/g, ":")}} = require(${from});`,
    )
    .replace(/^[ \t]*export\s+(?:default\s+)?(?=(?:async\s+)?(?:function|class|const|let|var)\b)/gm, "");
}
