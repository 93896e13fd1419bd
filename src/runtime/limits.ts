import { DistillError } from "../core/errors.ts";

/** What ONNX Runtime and Dawn say when a tensor is too large for a GPU, and what it means. */
const LIMITS: readonly [pattern: RegExp, meaning: (found: RegExpMatchArray) => string][] = [
  [
    /Buffer size \((\d+)\) exceeds the max buffer size limit \((\d+)\)/,
    ([, size, most]) => `it needs a tensor of ${mib(size!)}, and a buffer of this GPU holds at most ${mib(most!)}`,
  ],
  [
    /AddVariableImpl|ScatterElements.*raw_hash_map/,
    () => "a tensor of it is larger than what this GPU binds to one kernel",
  ],
  [
    /OUT_OF_DEVICE_MEMORY|OUT_OF_HOST_MEMORY|is invalid due to a previous error/,
    () => "the GPU's memory does not hold its tensors",
  ],
];

const mib = (bytes: string) => `${Math.round(Number(bytes) / 2 ** 20)} MiB`;

/** `error` as a sentence, where it says that a tensor is too large for the device. */
export function explained(error: Error): Error {
  const message = error.message.replaceAll(/\s+/g, " ");
  for (const [pattern, meaning] of LIMITS) {
    const found = pattern.exec(message);
    if (found)
      return new DistillError(
        `The program cannot run on this device: ${meaning(found)}. Take fewer rows in a micro-batch, shorter rows, a smaller model, or another device.`,
      );
  }
  return error;
}
