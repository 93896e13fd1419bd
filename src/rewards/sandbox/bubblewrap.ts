/** @file The system's python3 under bubblewrap: no network, no files but Python's own, limits, and no new processes. */

import { execFileSync, spawn } from "node:child_process";
import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Sandbox } from "./process.ts";
import { clip, type Job, type Outcome } from "./protocol.ts";

type Tools = { bwrap: string; python: string; binds: string[]; filter: Buffer };

/** A sandbox for stdin jobs, or undefined where bubblewrap or python3 is missing or may not make namespaces. */
export async function openBubblewrap(processes: number): Promise<Pick<Sandbox, "run"> | undefined> {
  const tools = findTools();
  if (!tools) return undefined;
  const limits = { time_ms: 10_000, memory_mb: 512, output_bytes: 100 };
  const trial = await runOnce(tools, { kind: "stdin", program: "print(input())", stdin: "works\n", limits });
  if (trial.status !== "finished" || trial.stdout !== "works\n") return undefined;

  let free = processes;
  const waiting: (() => void)[] = [];
  return {
    async run(request) {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      const outcome = await runOnce(tools, request);
      const next = waiting.shift();
      if (next) next();
      else free++;
      return outcome;
    },
  };
}

function findTools(): Tools | undefined {
  const filter = seccomp();
  const onPath = (name: string) =>
    (process.env.PATH ?? "")
      .split(delimiter)
      .map((folder) => join(folder, name))
      .find((path) => existsSync(path));
  const bwrap = onPath("bwrap");
  const python = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : onPath("python3");
  if (process.platform !== "linux" || !filter || !bwrap || !python) return undefined;
  try {
    const [executable, prefix] = execFileSync(
      python,
      ["-I", "-c", "import sys; print(sys.executable, sys.base_prefix, sep='\\n')"],
      { encoding: "utf8", timeout: 10_000 },
    ).split("\n") as [string, string];
    const binds = ["/usr", "/lib", "/lib64", ...(prefix.startsWith("/usr") ? [] : [prefix])]
      .filter((path) => existsSync(path))
      .flatMap((path) =>
        lstatSync(path).isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path],
      );
    return { bwrap, python: executable, binds, filter };
  } catch {
    return undefined; // a python3 that cannot say where it lives is as good as none
  }
}

function runOnce(
  { bwrap, python, binds, filter }: Tools,
  job: Omit<Job & { kind: "stdin" }, "id"> | { kind: "assertion" },
): Promise<Outcome> {
  if (job.kind !== "stdin") return Promise.resolve({ status: "crashed", reason: "bubblewrap runs stdin tests only" });
  const { time_ms, memory_mb, output_bytes } = job.limits;
  const limits = `ulimit -c 0 -t ${Math.ceil(time_ms / 1000) + 1} -v ${memory_mb * 1024 + 65_536} -n 64`;
  const commands = limits
    .replace("ulimit ", "")
    .match(/-\w \d+/g)!
    .map((limit) => `ulimit ${limit}`);
  const args = [
    ...["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"],
    ...binds,
    ...["--proc", "/proc", "--dev-bind", "/dev/null", "/dev/null", "--dev-bind", "/dev/urandom", "/dev/urandom"],
    ...["--ro-bind-data", "4", "/main.py", "--remount-ro", "/", "--chdir", "/", "--seccomp", "3"],
    ...[python, "-I", "-X", "utf8", "/main.py"],
  ];
  return new Promise((resolve) => {
    const child = spawn("/bin/sh", ["-c", `${commands.join("; ")}; exec "$@"`, "sh", bwrap, ...args], {
      env: {},
      cwd: "/",
      detached: true,
      stdio: ["pipe", "pipe", "pipe", "pipe", "pipe"],
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let complaint = "";
    let limit: string | undefined;
    const stop = (why: string) => {
      limit ??= why;
      child.kill("SIGKILL");
    };
    const timer = setTimeout(() => stop(`time limit of ${time_ms / 1000} s`), time_ms);
    const [stdin, stdout, stderr, seccompPipe, programPipe] = child.stdio as unknown as NodeJS.ReadWriteStream[];
    stdout!.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > output_bytes) stop(`output limit of ${output_bytes} bytes`);
      else chunks.push(chunk);
    });
    stderr!.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-1000);
    });
    // a program may end without reading all that it is given, and be killed while it writes
    for (const pipe of child.stdio) pipe!.on("error", () => {});
    stdin!.end(job.stdin);
    seccompPipe!.end(filter);
    programPipe!.end(job.program);
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ status: "crashed", reason: `bubblewrap did not start: ${error.message}` });
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (limit) resolve({ status: "limit", reason: limit });
      else if (code === 0) resolve({ status: "finished", stdout: Buffer.concat(chunks).toString() });
      else resolve({ status: "failed", reason: clip(complaint.trim().split("\n").pop() || `exit ${signal ?? code}`) });
    });
  });
}

/**
 * A seccomp filter in classic BPF: threads may start, processes may not; no sockets, no tracing, no namespaces.
 * Each instruction is code u16, jump-if-true u8, jump-if-false u8, operand u32.
 */
export function seccomp(arch = process.arch): Buffer | undefined {
  const machine = SYSCALLS[arch];
  if (!machine) return undefined;
  const [LOAD, EQUAL, ABOVE, BITS, RETURN] = [0x20, 0x15, 0x35, 0x45, 0x06];
  const [ALLOW, KILL, EPERM, ENOSYS] = [0x7fff0000, 0x80000000, 0x00050001, 0x00050026];
  const CLONE_THREAD = 0x10000;
  const program: [number, number, number, number][] = [
    [LOAD, 0, 0, 4], // the architecture
    [EQUAL, 1, 0, machine.audit],
    [RETURN, 0, 0, KILL],
    [LOAD, 0, 0, 0], // the number of the call
    [ABOVE, 0, 1, 0x40000000], // the x32 calls
    [RETURN, 0, 0, KILL],
    [EQUAL, 0, 1, machine.clone3],
    [RETURN, 0, 0, ENOSYS],
    ...machine.denied.flatMap((call): typeof program => [
      [EQUAL, 0, 1, call],
      [RETURN, 0, 0, EPERM],
    ]),
    [EQUAL, 0, 3, machine.clone],
    [LOAD, 0, 0, 16], // its flags
    [BITS, 1, 0, CLONE_THREAD],
    [RETURN, 0, 0, EPERM],
    [RETURN, 0, 0, ALLOW],
  ];
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, yes, no, operand], i) => {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(yes, i * 8 + 2);
    bytes.writeUInt8(no, i * 8 + 3);
    bytes.writeUInt32LE(operand, i * 8 + 4);
  });
  return bytes;
}

const SYSCALLS: Record<string, { audit: number; clone: number; clone3: number; denied: number[] }> = {
  // fork vfork socket socketpair ptrace mount umount2 unshare setns bpf perf_event_open keyctl add_key request_key userfaultfd io_uring_setup
  x64: {
    audit: 0xc000003e,
    clone: 56,
    clone3: 435,
    denied: [57, 58, 41, 53, 101, 165, 166, 272, 308, 321, 298, 250, 248, 249, 323, 425],
  },
  arm64: {
    audit: 0xc00000b7,
    clone: 220,
    clone3: 435,
    denied: [198, 199, 117, 40, 39, 97, 268, 280, 241, 219, 217, 218, 282, 425],
  },
};
