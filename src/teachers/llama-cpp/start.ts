/** @file llama.cpp for the kind of GPU that was asked for, and no other: what node-llama-cpp gives instead is refused. */

import type { Llama, LlamaModel, LlamaModelOptions } from "node-llama-cpp";
import { DistillError } from "../../core/errors.ts";
import { getLlama } from "./variant.ts";

export const GPUS = ["cuda", "vulkan", "metal"] as const;
export type Gpu = (typeof GPUS)[number] | "auto" | false;

export type Started = {
  llama: Llama;
  /** What it computes on. */
  backend: (typeof GPUS)[number] | "cpu";
  /** The names of its cards. */
  devices: string[];
  /** What llama.cpp has said of errors since this was last asked. */
  complaints(): string;
};

const started = new Map<Gpu, Promise<Started>>();

/** llama.cpp, started once for each kind of GPU. "auto" is the CPU where no card is found. */
export function startLlama(gpu: Gpu): Promise<Started> {
  const running = started.get(gpu) ?? (gpu === "auto" ? best() : start(gpu));
  started.set(gpu, running);
  running.catch(() => started.delete(gpu));
  return running;
}

/** A model on the CPU, on the llama.cpp that is started already if one is: a start takes a process that tries its library. */
export async function loadOnProcessor(options: LlamaModelOptions): Promise<{ llama: Llama; model: LlamaModel }> {
  const { llama, complaints } = await startLlama(false);
  complaints(); // those of before
  const model = await llama.loadModel(options).catch((error: Error) => {
    const why = [error.message, complaints()].filter(Boolean).join(": ");
    throw new DistillError(`llama.cpp cannot load ${options.modelPath}: ${why.replace(/[.\s]+$/, "")}.`);
  });
  return { llama, model };
}

/** CUDA, then Vulkan or Metal, then the CPU: node-llama-cpp takes the first whose libraries are there, card or not. */
async function best(): Promise<Started> {
  const found = await start("auto");
  if (found.backend === "cpu" || found.devices.length > 0) return found;
  await found.llama.dispose();
  return startLlama(false);
}

async function start(gpu: Gpu): Promise<Started> {
  const mac = process.platform === "darwin";
  if ((gpu === "metal" && !mac) || (gpu === "cuda" && mac))
    throw new DistillError(`${cannot(gpu)}: there is none on ${process.platform}. ${CURE}`);
  const { getLlamaGpuTypes, LlamaLogLevel } = await import("node-llama-cpp"); // slow to load
  let said = "";
  const llama = await getLlama({
    gpu,
    build: "never",
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    logger: (_, message) => {
      said = `${said} ${message.trim()}`.slice(-1000);
    },
  }).catch(async (error: Error) => {
    if (error instanceof DistillError) throw error;
    const found = gpu === false || gpu === "auto" || (await getLlamaGpuTypes("supported")).includes(gpu);
    const why = found ? notStarted(error) : `its libraries were not found. Expected ${LIBRARIES[gpu]}`;
    throw new DistillError(`${cannot(gpu)}: ${why}. ${CURE}`);
  });
  const devices = llama.gpu === false ? [] : await llama.getGpuDeviceNames();
  const backend = llama.gpu === false ? "cpu" : llama.gpu;
  if (gpu !== "auto" && gpu !== false && (backend !== gpu || devices.length === 0)) {
    await llama.dispose();
    throw new DistillError(
      `${cannot(gpu)}: ${backend === gpu ? "it finds no card that it can use" : `node-llama-cpp gives ${backend} instead`}. ${CURE}`,
    );
  }
  const complaints = () => {
    const message = said.trim();
    said = "";
    return message;
  };
  return { llama, backend, devices, complaints };
}

const cannot = (gpu: Gpu) => `llama.cpp cannot run on ${gpu === false ? "the CPU" : gpu}`;

const CURE =
  "Set teacher.gpu to auto for the best that is there, or to false for the CPU; distill doctor says what is.";

const notStarted = ({ message }: Error) =>
  message === "NoBinaryFoundError" ? "its libraries are there, but nothing that was built for it starts" : message;

const LIBRARIES: Record<(typeof GPUS)[number], string> = {
  cuda: "NVIDIA's driver (libcuda) and CUDA 12 or 13 (libcudart, libcublas, libcublasLt)",
  vulkan: "libvulkan.so.1 and a driver",
  metal: "macOS",
};

/** What llama.cpp computes on here when it may choose. */
export async function describeLlama() {
  const { llama, backend, devices } = await startLlama("auto");
  const { getLlamaGpuTypes, getModuleVersion } = await import("node-llama-cpp");
  const [vram, found] = [await llama.getVramState(), await getLlamaGpuTypes("supported")];
  const description = {
    version: await getModuleVersion(),
    release: llama.llamaCppRelease.release,
    backend,
    devices,
    vram_mb: { total: Math.round(vram.total / 2 ** 20), free: Math.round(vram.free / 2 ** 20) },
    /** Backends whose libraries are there, card or not. */
    libraries: found.filter((gpu) => gpu !== false),
  };
  await llama.dispose();
  for (const [gpu, one] of started) if ((await one).llama === llama) started.delete(gpu);
  return description;
}
