import { DistillError } from "../../core/errors.ts";
import { requireFinite } from "../../generation/finite.ts";
import { type DeviceName, openDevice } from "../../runtime/device.ts";
import { type Tensor, tensor } from "../../runtime/tensor.ts";
import type { FileRunner, Runner } from "./runner.ts";
import { openTransformersEncoder, tokenizerFolder } from "./transformers-encoder.ts";

/** An ONNX file on ONNX Runtime's CPU kernels. */
export const onnx: FileRunner = {
  ending: ".onnx",
  open: (path) => openOnnxRunner(path),
  openEncoder: openTransformersEncoder,
  tokenizerOf: tokenizerFolder,
};

/**
 * An exported ONNX decoder. A text is fed in two parts, the second with the cache of the first, so that what is measured
 * is what generation uses.
 */
export async function openOnnxRunner(path: string, deviceName: DeviceName = "cpu"): Promise<Runner> {
  const device = await openDevice(deviceName);
  try {
    const model = await device.load(path);
    const past = model.inputs.filter(({ name }) => name.startsWith("past_key_values."));
    if (past.length === 0 || !model.outputs.some(({ name }) => name === "logits"))
      throw new DistillError(`${path} is not a decoder with a cache: expected past_key_values inputs and logits.`);

    const keeps = model.inputs.some(({ name }) => name === "num_logits_to_keep");
    const empty = Object.fromEntries(
      past.map(({ name, elemType, shape }) => {
        const sizes = shape.map((size) => (typeof size === "number" ? size : size === "batch_size" ? 1 : 0));
        return [name, tensor(elemType as Tensor["dtype"], sizes, [])];
      }),
    );
    /** `keep` is how many of the last tokens have logits; 0 for all. */
    const forward = async (tokens: readonly number[], start: number, cache: Record<string, Tensor>, keep = 0) => {
      const end = start + tokens.length;
      const row = (values: readonly number[]) => tensor("int64", [1, values.length], values);
      const { logits, ...present } = await model.run({
        input_ids: row(tokens),
        attention_mask: row(new Array(end).fill(1)),
        position_ids: row(tokens.map((_, i) => start + i)),
        ...(keeps ? { num_logits_to_keep: tensor("int64", [], [keep]) } : {}),
        ...cache,
      });
      const next = Object.entries(present).map(([name, value]) => [name.replace("present", "past_key_values"), value]);
      return { logits: logits!.data as Float32Array, cache: Object.fromEntries(next) as Record<string, Tensor> };
    };
    const logitsOf = async (tokens: readonly number[], from: number) => {
      const half = from || tokens.length >> 1;
      if (half === 0) return (await forward(tokens, 0, empty)).logits;
      const first = await forward(tokens.slice(0, half), 0, empty, from && 1);
      const second = await forward(tokens.slice(half), half, first.cache);
      if (from) return second.logits;
      const all = new Float32Array(first.logits.length + second.logits.length);
      all.set(first.logits);
      all.set(second.logits, first.logits.length);
      return all;
    };
    return {
      async logits(tokens, from = 0) {
        const logits = await logitsOf(tokens, from);
        return requireFinite(path, logits, logits.length / (tokens.length - from));
      },
      heed: (signal) => device.heed(signal),
      close: () => device.close(),
    };
  } catch (error) {
    await device.close();
    throw error;
  }
}
