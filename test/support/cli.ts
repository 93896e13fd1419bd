import { execFileSync } from "node:child_process";
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
