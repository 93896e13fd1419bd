/**
 * @file The system's python3 under bubblewrap: no network, no files but Python's own, limits, no new processes. One
 * interpreter waits in the sandbox and forks for each program.
 */

import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Forked, openForks } from "./forks.ts";
import { BUSY, isTooBusy } from "./own-time.ts";
import type { Request, Sandbox } from "./process.ts";
import type { Outcome } from "./protocol.ts";
import { endOf, verdictOf } from "./python-outcome.ts";
import { seccomp } from "./seccomp.ts";
import { zygote } from "./zygote.ts";

/** A sandbox for Python, or undefined where bubblewrap or python3 is missing or may not make namespaces. */
export async function openBubblewrap(processes: number): Promise<Sandbox | undefined> {
  const command = findCommand();
  if (!command) return undefined;
  const forks = openForks(command.bwrap, command.args, command.script, 2 * processes);
  const run = (request: Request) => runOnce(forks, request);
  const limits = { time_ms: 10_000, memory_mb: 512, output_bytes: 100 };
  const trial = await run({ kind: "stdin", program: "print(input())", stdin: "works\n", limits });
  if (trial.status !== "finished" || trial.stdout !== "works\n") {
    forks.close();
    return undefined;
  }

  let free = processes;
  const waiting: (() => void)[] = [];
  return {
    async run(request) {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      let outcome = await run(request);
      if (outcome.status === "crashed") outcome = await run(request);
      const next = waiting.shift();
      if (next) next();
      else free++;
      return outcome;
    },
    close: forks.close,
  };
}

/** How the sandbox is started; the script is given the folder of the socket, which is seen as SOCKET inside. */
function findCommand() {
  const filter = seccomp();
  const onPath = (name: string) =>
    (process.env.PATH ?? "")
      .split(delimiter)
      .map((folder) => join(folder, name))
      .find((path) => existsSync(path));
  const bwrap = onPath("bwrap");
  // the one that a user would get, which may have packages
  const python = onPath("python3") ?? (existsSync("/usr/bin/python3") ? "/usr/bin/python3" : undefined);
  if (process.platform !== "linux" || !filter || !bwrap || !python) return undefined;
  try {
    const asked = "import sys; print(sys.executable, sys.prefix, sys.base_prefix, sep='\\n')";
    const [executable, ...prefixes] = execFileSync(python, ["-I", "-c", asked], { encoding: "utf8", timeout: 10_000 })
      .trim()
      .split("\n") as [string, ...string[]];
    const own = [...new Set(prefixes)].filter((prefix) => !prefix.startsWith("/usr"));
    const system = ["/usr", "/lib", "/lib64"]
      .filter((path) => existsSync(path))
      .flatMap((path) =>
        lstatSync(path).isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path],
      );
    const binds = [...system, ...own.flatMap((path) => ["--ro-bind", path, path])];
    const args = (folder: string) => [
      ...["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"],
      ...binds,
      ...["--proc", "/proc", "--dev-bind", "/dev/null", "/dev/null", "--dev-bind", "/dev/urandom", "/dev/urandom"],
      ...["--symlink", "/proc/self/fd/0", "/dev/stdin", "--symlink", "/proc/self/fd/1", "/dev/stdout"],
      ...["--ro-bind", folder, "/run/judge", "--ro-bind-data", "3", "/main.py", "--remount-ro", "/", "--chdir", "/"],
      ...["--clearenv", "--setenv", "PYTHONHASHSEED", "0", "--setenv", "LC_ALL", "C.UTF-8"],
      ...[executable, "-I", "-B", "-X", "utf8", "/main.py"],
    ];
    return { bwrap, args, script: zygote(filter, "/run/judge/socket") };
  } catch {
    return undefined; // a python3 that cannot say where it lives is as good as none
  }
}

type Forks = ReturnType<typeof openForks>;

async function runOnce(forks: Forks, request: Request): Promise<Outcome> {
  try {
    return request.kind === "stdin" ? await printed(forks, request) : await judged(forks, request);
  } catch (error) {
    return { status: "crashed", reason: `bubblewrap: ${(error as Error).message}` };
  }
}

const limitsOf = ({ memory_mb, time_ms }: Request["limits"]) => [memory_mb << 20, Math.ceil(time_ms / 1000) + 2];

async function printed(forks: Forks, { program, stdin, limits }: Request & { kind: "stdin" }): Promise<Outcome> {
  const fork = await forks.take();
  const chunks: Buffer[] = [];
  let size = 0;
  let limit: string | undefined;
  const stop = (why: string) => {
    limit ??= why;
    fork.kill();
  };
  fork.onData((chunk) => {
    size += chunk.length;
    if (size > limits.output_bytes) stop(`output limit of ${limits.output_bytes} bytes`);
    else chunks.push(chunk);
  });
  fork.send({ kind: "stdin", source: program, stdin, limits: limitsOf(limits) });
  const unwatch = watch([fork], limits.time_ms, stop);
  const { code, signal, complaint } = await fork.ended;
  unwatch();
  if (limit === BUSY) return { status: "crashed", reason: BUSY };
  if (limit) return { status: "limit", reason: limit };
  if (signal !== 0) return { status: "failed", reason: `it was ended by signal ${signal}` };
  if (code === 0) return { status: "finished", stdout: Buffer.concat(chunks).toString() };
  return { status: "failed", reason: complaint.trim().split("\n").pop()?.slice(0, 300) || `exit code ${code}` };
}

/** The program in one fork, the test in another; what they say to each other goes through here, line by line. */
async function judged(forks: Forks, request: Request & { kind: "assertion" }): Promise<Outcome> {
  const { limits, program: source, test } = request;
  const [program, judge] = await Promise.all([forks.take(), forks.take()]);
  let limit: string | undefined;
  const stop = (why: string) => {
    limit ??= why;
    program.kill();
    judge.kill();
  };
  const unwatch = watch([program, judge], limits.time_ms, stop);
  try {
    program.send({ kind: "program", limits: limitsOf(limits) });
    judge.send({ kind: "judge", limits: limitsOf(limits) });
    program.say(asciiOf([source, "solution"]));
    const end = await program.line();
    if (limit) return limit === BUSY ? { status: "crashed", reason: BUSY } : { status: "limit", reason: limit };
    if (end?.[0] !== "!") return { status: "failed", reason: "it ended before the test" };
    const ran = endOf(end.slice(1), request, "");
    if (ran.status !== "finished") return ran;
    judge.say(asciiOf(test));
    for (let from = judge, to = program; ; [from, to] = [to, from]) {
      const line = await from.line();
      if (limit) return limit === BUSY ? { status: "crashed", reason: BUSY } : { status: "limit", reason: limit };
      if (from === judge && line === undefined) return { status: "failed", reason: "the test broke down" };
      if (from === judge && line![0] === ".") return verdictOf(line!.slice(1));
      to.say(line ?? LEFT);
    }
  } finally {
    unwatch();
    program.kill();
    judge.kill();
  }
}

const LEFT = '!{"error":[["RuntimeError"],"the program has ended",null,null]}';
const asciiOf = (value: unknown) =>
  JSON.stringify(value).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Stop forks whose own time is over: the wall clock, less what they waited for a processor. */
function watch(forks: readonly Forked[], time_ms: number, stop: (why: string) => void): () => void {
  const start = performance.now();
  const look = async () => {
    const waits = await Promise.all(forks.map((fork) => fork.waited()));
    const passed = performance.now() - start;
    const own = passed - waits.reduce((sum, ms) => sum + ms, 0);
    const left = time_ms - own;
    if (left <= 0) stop(`time limit of ${time_ms / 1000} s`);
    else if (isTooBusy(own, passed, time_ms)) stop(BUSY);
    else timer = setTimeout(look, Math.max(left, 20));
  };
  let timer = setTimeout(look, time_ms);
  return () => clearTimeout(timer);
}
