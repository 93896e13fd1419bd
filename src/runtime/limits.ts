/** @file What ONNX Runtime and Dawn say when a device cannot run a program, and what it means. */

import { DistillError } from "../core/errors.ts";

const tooLarge = (why: string) =>
  `The program cannot run on this device: ${why}. Take fewer rows in a micro-batch, shorter rows, a smaller model, or another device.`;

const lacksHalf = (op: string, device: string) =>
  `Device "${device}" has no kernel for ${op} of float16. Cast to float32 (trainer.precision: fp32), or take another device.`;

const LIMITS: readonly [pattern: RegExp, sentence: (found: RegExpMatchArray, device: string) => string][] = [
  [
    /Buffer size \((\d+)\) exceeds the max buffer size limit \((\d+)\)/,
    ([, size, most]) =>
      tooLarge(`it needs a tensor of ${mib(size!)}, and a buffer of this GPU holds at most ${mib(most!)}`),
  ],
  [
    /AddVariableImpl|ScatterElements.*raw_hash_map/,
    () => tooLarge("a tensor of it is larger than what this GPU binds to one kernel"),
  ],
  [
    /OUT_OF_DEVICE_MEMORY|OUT_OF_HOST_MEMORY|is invalid due to a previous error/,
    () => tooLarge("the GPU's memory does not hold its tensors"),
  ],
  [
    /Failed to allocate memory for requested buffer of size (\d+)/,
    ([, size]) =>
      tooLarge(
        `the card has no room for another ${mib(size!)} (cuda.recompute: true needs a third of what training keeps)`,
      ),
  ],
  [
    /CUDA failure 2: out of memory|CUDA error.*out of memory/i,
    () => tooLarge("the card's memory is full (nvidia-smi says of what; cuda.recompute: true needs less)"),
  ],
  [
    /CUDA driver version is insufficient|CUDA failure 35/,
    (_, device) =>
      `Device "${device}" cannot be used: the NVIDIA driver is older than the CUDA that ONNX Runtime's provider is built for. Update the driver, or take device: webgpu.`,
  ],
  [
    /while running (\w+) node\..*(?:requires f16 but the device does not support it|MLFloat16 data type is not supported)/,
    ([, op], device) => lacksHalf(op!, device),
  ],
];

const mib = (bytes: string) => `${Math.round(Number(bytes) / 2 ** 20)} MiB`;

/** `error` as a sentence, where it says what the device lacks for a program that it was to run. */
export function explained(error: Error, device: string): Error {
  const message = error.message.replaceAll(/\s+/g, " ");
  for (const [pattern, sentence] of LIMITS) {
    const found = pattern.exec(message);
    if (found) return new DistillError(sentence(found, device));
  }
  return error;
}
