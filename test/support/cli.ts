import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { resolve } from "node:path";

/** The built command line. */
export const CLI = resolve(import.meta.dirname, "../../src/cli.js");

/** Run it to its end. */
export function distill(...args: string[]): { code: number; out: string; err: string } {
  try {
    const out = execFileSync(process.execPath, [CLI, ...args], { encoding: "utf8", stdio: "pipe" });
    return { code: 0, out, err: "" };
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string };
    return { code: status, out: stdout, err: stderr };
  }
}

export type Running = {
  child: ChildProcess;
  /** What it said, and how it ended. */
  ended: Promise<{ code: number | null; out: string; err: string }>;
};

/** Start it beside this process, which may then answer it. */
export function startDistill(args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [CLI, ...args], { env: { ...process.env, ...env }, stdio: "pipe" });
  const said = { out: "", err: "" };
  child.stdout!.on("data", (piece) => {
    said.out += piece;
  });
  child.stderr!.on("data", (piece) => {
    said.err += piece;
  });
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on("close", (code) => resolve({ code, ...said })),
  );
  return { child, ended };
}
