import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { format } from "node:util";
import { commandLine } from "../../src/command-line.ts";

/** The command line as it is installed, built from the same sources as the tests. */
export const CLI = resolve(import.meta.dirname, "../../dist/cli.js");

/** V8's settings that this process was started with. */
export const V8 = process.execArgv.filter((flag) => /^--(interrupt-budget|min-semi-space-size)=/.test(flag));

/** V8's settings and the built command line: what node is given. */
export const COMMAND = [...V8, CLI];

export type Said = { code: number | null; out: string; err: string };

/** Do what a command line says in this process, where the libraries are loaded already; one at a time, so not while a test file is loaded. */
export async function distill(...args: string[]): Promise<Said> {
  const said = { out: "", err: "" };
  const restored = [
    // not what stands behind it, to which the test runner writes
    replaced(console, "log", (...values: unknown[]) => {
      said.out += `${format(...values)}\n`;
    }),
    replaced(process.stderr, "write", (text: string | Uint8Array) => {
      said.err += text.toString();
      return true;
    }),
    ...[process.stdout, process.stderr].map((stream) => replaced(stream, "isTTY", false)),
  ];
  try {
    return { code: await commandLine(args, new AbortController().signal), ...said };
  } finally {
    for (const restore of restored) restore();
  }
}

/** Do something with variables of the environment. */
export async function withEnvironment<Done>(env: Record<string, string>, work: () => Promise<Done>): Promise<Done> {
  const saved = { ...process.env };
  Object.assign(process.env, env);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(env)) delete process.env[name];
    Object.assign(process.env, saved);
  }
}

/** Give something another property. Returns what gives its own one back. */
function replaced<Of extends object>(of: Of, name: keyof Of, value: unknown): () => void {
  const own = Object.getOwnPropertyDescriptor(of, name);
  Object.defineProperty(of, name, { value, configurable: true, writable: true });
  return () => {
    if (own) Object.defineProperty(of, name, own);
    else delete of[name];
  };
}

export type Running = {
  child: ChildProcess;
  /** What it said, and how it ended. */
  ended: Promise<Said>;
};

/** Start it as a process beside this one, which may then answer it or kill it. */
export function startDistill(args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [...COMMAND, ...args], { env: { ...process.env, ...env }, stdio: "pipe" });
  const said = { out: "", err: "" };
  child.stdout!.on("data", (piece) => {
    said.out += piece;
  });
  child.stderr!.on("data", (piece) => {
    said.err += piece;
  });
  const ended = new Promise<Said>((resolve) => child.on("close", (code) => resolve({ code, ...said })));
  return { child, ended };
}
