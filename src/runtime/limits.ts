/** @file What ONNX Runtime and Dawn say when a device cannot run a program, and what it means. */

import { DistillError } from "../core/errors.ts";

/** Where a program was to run, and what memory was free there, as far as that is known. */
export type Place = { device: string; free: () => string | undefined };

const LESS = "Take fewer rows in a micro-batch, shorter rows, a smaller model, or another device";

const tooLarge = (why: string) => `The program cannot run on this device: ${why}. ${LESS}.`;

const lacksHalf = (op: string, device: string) =>
  `Device "${device}" has no kernel for ${op} of float16. Cast to float32 (trainer.precision: fp32), or take another device.`;

/** `asked` is in bytes. */
function full({ device, free }: Place, asked?: string): string {
  const what = `${asked === undefined ? "more" : `another ${mib(asked)}`} was asked for`;
  const there = free();
  const more = device === "cpu" ? "" : `, or ${device}.recompute: true, which needs a third of what training keeps`;
  return `The memory of device "${device}" is full: ${what}${there === undefined ? "" : `, and ${there}`}. ${LESS}${more}.`;
}

const LIMITS: readonly [pattern: RegExp, sentence: (found: RegExpMatchArray, place: Place) => string][] = [
  [
    /Buffer size \((\d+)\) exceeds the max buffer size limit \((\d+)\)/,
    ([, size, most]) =>
      tooLarge(`it needs a tensor of ${mib(size!)}, and a buffer of this GPU holds at most ${mib(most!)}`),
  ],
  [
    /AddVariableImpl|ScatterElements.*raw_hash_map/,
    () => tooLarge("a tensor of it is larger than what this GPU binds to one kernel"),
  ],
  [/OUT_OF_DEVICE_MEMORY|OUT_OF_HOST_MEMORY|is invalid due to a previous error/, (_, place) => full(place)],
  [
    // by the arena, of which the second says how much it may take at most
    /Failed to allocate memory for requested buffer of size (\d+)|Available memory of \d+ is smaller than requested bytes of (\d+)/,
    ([, size, requested], place) => full(place, size ?? requested),
  ],
  [
    /CUDA failure 2: out of memory|CUDA error.*out of memory|CUBLAS_STATUS_ALLOC_FAILED|Array buffer allocation failed|bad[_ ]alloc|Cannot allocate memory/i,
    (_, place) => full(place),
  ],
  [
    /CUDA driver version is insufficient|CUDA failure (?:35|803|804)\b/,
    (_, { device }) =>
      `Device "${device}" cannot be used: the NVIDIA driver is older than the CUDA that ONNX Runtime's provider is built for, or another one than its libraries. Update the driver, or take device: webgpu.`,
  ],
  [
    /CUDA failure 100\b|no CUDA-capable device/,
    (_, { device }) =>
      `Device "${device}" cannot be used: the NVIDIA driver shows no card. See that nvidia-smi lists one, that a container was given it (--gpus all), and that CUDA_VISIBLE_DEVICES names it; or take another device.`,
  ],
  [
    /CUDA failure 101\b|invalid device ordinal/,
    (_, { device }) =>
      `Device "${device}" cannot be used: there is no card of the number that cuda.device_id gives. nvidia-smi lists them, from 0.`,
  ],
  [
    /while running (\w+) node\..*(?:requires f16 but the device does not support it|MLFloat16 data type is not supported)/,
    ([, op], { device }) => lacksHalf(op!, device),
  ],
];

const mib = (bytes: string) => `${Math.round(Number(bytes) / 2 ** 20)} MiB`;

/** `error` as a sentence, where it says what the device lacks for a program that it was to run. */
export function explained(error: Error, place: Place): Error {
  const message = error.message.replaceAll(/\s+/g, " ");
  for (const [pattern, sentence] of LIMITS) {
    const found = pattern.exec(message);
    if (found) return new DistillError(sentence(found, place));
  }
  return error;
}
