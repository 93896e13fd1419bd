import { DistillError } from "../core/errors.ts";
import { input } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { MatMul } from "../ops/index.ts";
import type { Device } from "../runtime/device.ts";
import { tensor } from "../runtime/tensor.ts";

export const PRECISIONS = ["auto", "fp32", "fp16"] as const;

/** What forward and backward compute in. Weights, moments and statistics are float32 in either. */
export type Precision = "fp32" | "fp16";

/** "auto" is fp16 on every GPU that has it: on the CPU it is slower than float32. */
export async function choosePrecision(device: Device, wanted: (typeof PRECISIONS)[number]): Promise<Precision> {
  if (wanted === "fp32" || (wanted === "auto" && device.name === "cpu")) return "fp32";
  const reason = await whyNoHalf(device);
  if (reason === undefined) return "fp16";
  if (wanted === "auto") return "fp32";
  throw new DistillError(
    `Device "${device.name}" cannot compute in half precision: ${reason} Set trainer.precision to fp32 or auto.`,
  );
}

/** The student as it is asked between steps: a device of its own keeps the weights of half precision as halves. */
export const policyOf = async (device: Device, model: Model, wanted: (typeof PRECISIONS)[number]): Promise<Model> =>
  device.resident && (await choosePrecision(device, wanted)) === "fp16" ? model.as("float16") : model;

/** Why a small product in half precision does not work on this device, or undefined. */
export async function whyNoHalf(device: Device): Promise<string | undefined> {
  const x = input("x", "float16", [2, 2]);
  try {
    const program = await device.compile({ y: MatMul(x, x) });
    const ONE = 0x3c00;
    const { y } = await program.run({ x: tensor("float16", [2, 2], new Uint16Array(4).fill(ONE)) });
    await program.release();
    const TWO = 0x4000;
    return y!.data.every((bits) => bits === TWO) ? undefined : `it computed [1 1; 1 1]² = [${y!.data}] (bits).`;
  } catch (error) {
    return (error as Error).message.replaceAll(/\s+/g, " ").slice(0, 300);
  }
}
