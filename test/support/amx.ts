/** @file A processor with AMX's matrix instructions: this one, or this one with them in software. Needs Linux on x64. */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const LIBRARY = "distill-amx.so";

/** What ggml's build for AMX computes with besides. */
const NEEDED = ["avx512_bf16", "avx512_vnni"];

/** Whether llama.cpp takes its build for AMX in this process and what it starts. */
export const hasAmx = (): boolean =>
  instructions().includes("amx_int8") || (process.env.LD_PRELOAD?.includes(LIBRARY) ?? false);

/** The variables that let processes have AMX, whose instructions test/support/amx.c runs, built in `folder`; or why not. */
export function amxEnv(folder: string): { env: NodeJS.ProcessEnv } | { missing: string } {
  if (process.platform !== "linux" || process.arch !== "x64") return { missing: "AMX is looked up on Linux on x64" };
  if (hasAmx()) return { env: {} };
  const missing = NEEDED.filter((name) => !instructions().includes(name));
  if (missing.length > 0) return { missing: `this processor has no ${missing.join(" and no ")}` };
  const library = join(folder, LIBRARY);
  const source = resolve("test/support/amx.c");
  const { status } = spawnSync("cc", ["-O3", "-march=native", "-shared", "-fPIC", "-o", library, source, "-ldl"]);
  return status === 0
    ? { env: { LD_PRELOAD: library } }
    : { missing: "no C compiler to build test/support/amx.c with" };
}

const instructions = (): string[] =>
  /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
