/** @file ONNX Runtime's CUDA provider, which is not in its npm package. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { libraryFolder } from "./ort/library.ts";

/** Why the provider cannot be loaded, or undefined. ONNX Runtime, asked for what is not there, would print to stderr. */
export function whyNoCuda(): string | undefined {
  const library = process.platform === "win32" ? "onnxruntime_providers_cuda.dll" : "libonnxruntime_providers_cuda.so";
  const path = join(libraryFolder(), library);
  return existsSync(path) ? undefined : `${path} is not there.`;
}
