/** @file ONNX Runtime's CUDA provider, which is not in its npm package. */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

/** Why the provider cannot be loaded, or undefined. ONNX Runtime, asked for what is not there, would print to stderr. */
export function whyNoCuda(): string | undefined {
  const { platform, arch } = process;
  const library = platform === "win32" ? "onnxruntime_providers_cuda.dll" : "libonnxruntime_providers_cuda.so";
  const path = join(packageRoot(), "bin", "napi-v6", platform, arch, library);
  return existsSync(path) ? undefined : `${path} is not there.`;
}

/** The folder of onnxruntime-node, wherever it was installed. */
export function packageRoot(): string {
  let folder = dirname(createRequire(import.meta.url).resolve("onnxruntime-node"));
  while (basename(folder) !== "onnxruntime-node") folder = dirname(folder);
  return folder;
}
