/** @file ONNX Runtime's CUDA provider, which is not in its npm package. */

import { closeSync, existsSync, readSync } from "node:fs";
import { basename, join } from "node:path";
import { openFile } from "../core/streams.ts";
import { libraryFolder, packageVersion } from "./ort/library.ts";

const NAMES =
  process.platform === "win32"
    ? ["onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll"]
    : ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

/**
 * Why the provider cannot be loaded, or undefined. ONNX Runtime, asked for what is not there, would print to stderr, and of a
 * provider of another version it would end the process.
 */
export function whyNoCuda(): string | undefined {
  const paths = NAMES.map((name) => join(libraryFolder(), name));
  const missing = paths.toReversed().find((path) => !existsSync(path));
  if (missing) return `${missing} is not there.`;
  const version = packageVersion();
  return holds(paths[1]!, `\0${version}\0`)
    ? undefined
    : `${paths[1]} is of another version than ONNX Runtime's library beside it, which is ${version}.`;
}

/** Whether a file holds a text; of 300 MB, in a tenth of a second where they were read before. */
function holds(path: string, text: string): boolean {
  const [file, block] = [openFile(path), Buffer.alloc(2 ** 22)];
  try {
    for (let at = 0; ; at += block.length - text.length) {
      const read = readSync(file, block, 0, block.length, at);
      if (block.subarray(0, read).includes(text)) return true;
      if (read < block.length) return false;
    }
  } finally {
    closeSync(file);
  }
}

/** What ONNX Runtime says of a library that it cannot load, in words: most often one that this one needs is not there. */
export function missingLibrary(said: string): string | undefined {
  const [, path, why] = /Failed to load library (\S+) with error: (.*)/.exec(said) ?? [];
  if (!path) return undefined;
  const needed = /^(\S+): cannot open shared object file/.exec(why!)?.[1];
  if (!needed) return `${path} cannot be loaded: ${why}`;
  return `${basename(path)} needs ${needed}, which is not found. ${sourceOf(needed)}`;
}

function sourceOf(library: string): string {
  if (library.startsWith("libcuda.")) return "It comes with the NVIDIA driver: install that.";
  const major = /\.so\.(\d+)/.exec(library)?.[1];
  if (library.startsWith("libcudnn"))
    return `It is cuDNN ${major}'s: install that, and name its folder in LD_LIBRARY_PATH.`;
  const version = /^lib(?:cublas|cublasLt|cudart|nvrtc)\./.test(library) ? ` ${major}` : "";
  return `It is CUDA${version}'s: install that, and name its folder in LD_LIBRARY_PATH.`;
}
