/**
 * @file DISTILL_LLAMA_CPU=<variant>: the build of llama.cpp's kernels that computes on the processor, such as haswell, which
 * has AVX2, or sapphirerapids, which has AMX. Without it ggml takes the best that the processor runs.
 *
 * ggml has no setting for that: it takes the best of a folder. So the native module is given a folder with links to what is
 * in its own, of the builds for processors but the one that was asked for, before node-llama-cpp gives it its own.
 */

import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Llama, LlamaOptions } from "node-llama-cpp";
import { DistillError } from "../../core/errors.ts";

/** node-llama-cpp's getLlama, with the kernels that DISTILL_LLAMA_CPU names. */
export async function getLlama(options: LlamaOptions): Promise<Llama> {
  const { getLlama } = await import("node-llama-cpp"); // slow to load
  const variant = process.env.DISTILL_LLAMA_CPU;
  if (variant) watchLoading(variant);
  const llama = await getLlama(options);
  if (refused) {
    await llama.dispose();
    throw refused;
  }
  return llama;
}

/** A thread a core: node-llama-cpp takes four at least, and more threads than cores wait for each other twenty times as long. */
export const coreThreads = ({ cpuMathCores }: Pick<Llama, "cpuMathCores">): number =>
  Math.max(1, Math.min(availableParallelism(), cpuMathCores));

/** What to do where a model's logits are not finite. */
export const NOT_FINITE =
  "Take its f16 or f32 file or another quantisation. On Intel processors with AMX, llama.cpp's kernels give NaN for quantised matrices whose rows are a single block of 32; DISTILL_LLAMA_CPU=haswell takes others.";

type NativeModule = {
  /** Until node-llama-cpp sets its own. */
  setLoggerLogLevel(level: number): void;
  loadBackends(folder: string): void;
  /** What each backend that is loaded can do, such as "CPU : AVX2 = 1 | ". */
  systemInfo(): string;
};

const ERRORS = 2;

let watching = false;
/** Folders of native modules, one for each kind of GPU: each has backends of its own. */
const chosen = new Set<string>();
let refused: DistillError | undefined;

/** Choose as soon as a native module is loaded: which one that is, and where it lies, node-llama-cpp does not say before. */
function watchLoading(variant: string): void {
  if (watching) return;
  watching = true;
  const dlopen = process.dlopen;
  process.dlopen = (module, filename, ...flags) => {
    dlopen.call(process, module, filename, ...flags);
    const folder = dirname(filename);
    if (basename(filename) !== "llama-addon.node" || chosen.has(folder)) return;
    chosen.add(folder);
    // an error that is thrown here is printed by node-llama-cpp, and something else is started
    const why = choose(variant, (module as { exports: NativeModule }).exports, folder);
    if (why) refused = new DistillError(`DISTILL_LLAMA_CPU is "${variant}", ${why}`);
  };
}

/** Load what is in a native module's folder, of the builds for processors but the one; why not, if not. */
function choose(variant: string, native: NativeModule, folder: string): string | undefined {
  const loaded = () => native.systemInfo().includes("CPU : ");
  if (loaded()) return "and llama.cpp was started before that was read. Set it before Node starts.";
  const files = readdirSync(folder);
  const variantOf = (file: string) => /^(?:lib)?ggml-cpu-(.+)\.(?:so|dll)$/.exec(file)?.[1];
  const variants = files.flatMap((file) => variantOf(file) ?? []).sort();
  if (!variants.includes(variant))
    return `which is no build of llama.cpp here. Expected one of: ${variants.join(", ") || "none, there is only one build"}.`;
  const links = mkdtempSync(join(tmpdir(), "distill-llama-cpu-"));
  try {
    for (const file of files)
      if ((variantOf(file) ?? variant) === variant) symlinkSync(join(folder, file), join(links, file));
    native.setLoggerLogLevel(ERRORS);
    native.loadBackends(links);
  } finally {
    rmSync(links, { recursive: true });
  }
  if (!loaded())
    return "which this processor does not run. Take one whose instructions it has, or leave it out for the best.";
  return undefined;
}
