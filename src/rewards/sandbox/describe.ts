/** @file Which sandboxes work here, each tried with a program. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { openBubblewrap } from "./bubblewrap.ts";
import { openSandbox } from "./process.ts";
import type { Language } from "./protocol.ts";

export type SandboxState = { name: string; ok: boolean; reason: string | null; start_ms: number | null };

/** A program and its test in each language. */
const TRIALS: Record<Language, { program: string; test: string }> = {
  python: { program: "def successor(x):\n    return x + 1", test: "assert successor(1) == 2" },
  javascript: { program: "function successor(x) { return x + 1; }", test: "assert.strictEqual(successor(1), 2)" },
};

export async function describeSandboxes(): Promise<SandboxState[]> {
  return [await wasm("python"), await wasm("javascript"), await bubblewrap()];
}

async function wasm(language: Language): Promise<SandboxState> {
  const sandbox = openSandbox(language, { processes: 1, memory_mb: 512 });
  const start = performance.now();
  const limits = { time_ms: 10_000, memory_mb: 512, output_bytes: 1000 };
  const outcome = await sandbox.run({ kind: "assertion", ...TRIALS[language], limits });
  sandbox.close();
  const ok = outcome.status === "finished";
  const start_ms = ok ? Math.round(performance.now() - start) : null;
  return {
    name: `${language} in WebAssembly`,
    ok,
    reason: ok ? null : (outcome as { reason: string }).reason,
    start_ms,
  };
}

async function bubblewrap(): Promise<SandboxState> {
  const name = "python3 under bubblewrap";
  const start = performance.now();
  const sandbox = await openBubblewrap(1); // tried with a program
  if (sandbox) {
    sandbox.close();
    return { name, ok: true, reason: null, start_ms: Math.round(performance.now() - start) };
  }
  const missing = ["bwrap", "python3"].filter((tool) => !onPath(tool));
  const reason =
    process.platform !== "linux"
      ? "it is for Linux"
      : missing.length > 0
        ? `${missing.join(" and ")} not found`
        : "bwrap may not make namespaces here";
  return { name, ok: false, reason, start_ms: null };
}

const onPath = (tool: string) =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => folder !== "" && existsSync(join(folder, tool)));
