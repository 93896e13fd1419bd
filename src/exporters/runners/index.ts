import { DistillError } from "../../core/errors.ts";
import { openGgufRunner } from "./gguf.ts";
import { openOnnxRunner } from "./onnx.ts";
import type { Runner } from "./runner.ts";

/** Runners of exported files, by the ending of their names. */
const RUNNERS: Record<string, (path: string) => Promise<Runner>> = { ".gguf": openGgufRunner, ".onnx": openOnnxRunner };

/** The runner for an exported file. */
export function openRunner(path: string): Promise<Runner> {
  const open = Object.entries(RUNNERS).find(([ending]) => path.endsWith(ending))?.[1];
  if (!open)
    throw new DistillError(`Nothing runs ${path}. Expected a file that ends in ${Object.keys(RUNNERS).join(" or ")}.`);
  return open(path);
}
