/** @file llama.cpp's own quantiser, in the library that node-llama-cpp brings, called by Python. */

import { execFileSync } from "node:child_process";

const SCRIPT = "test/support/llama_quantize.py";

/** Why it cannot be called here, or false. */
export function whyNoQuantiser(): string | false {
  if (process.platform !== "linux" || process.arch !== "x64") return "it is called on Linux with x86-64 alone";
  try {
    execFileSync("python3", ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    return "there is no Python";
  }
}

/**
 * Quantise a GGUF file to each of `files`; `embedding` is the ggml type of embedding and head, llama.cpp's choice unless given,
 * and `matrix` a file with an importance matrix.
 */
export function writeAsLlamaCppDoes(
  source: string,
  files: readonly { path: string; fileType: number }[],
  { embedding, matrix }: { embedding?: number | undefined; matrix?: string | undefined } = {},
): void {
  const targets = files.flatMap(({ path, fileType }) => [path, String(fileType)]);
  execFileSync("python3", [SCRIPT, source, String(embedding ?? "-"), matrix ?? "-", ...targets], { stdio: "pipe" });
}
