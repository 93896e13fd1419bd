/** @file Which spelling of the transposed products of training is fastest on a device. */

import { SPELLINGS, type Spelling } from "../compiler/targets.ts";
import { toFloat16 } from "../formats/float16.ts";
import { input, type Value } from "../graph/value.ts";
import { MatMul, Transpose } from "../ops/index.ts";
import type { Device } from "./device.ts";
import { medianTime } from "./probe.ts";
import { tensor } from "./tensor.ts";

/** GFLOP/s of a product in one of its spellings. */
export type Measured = {
  product: keyof Spelling | "data_gradient";
  dtype: "float32" | "float16";
  size: number;
  gflops: Partial<Record<(typeof SPELLINGS)[number] | "MatMul", number>>;
};

/** ms that one product may take: the sizes follow from that. */
const LONG = 20;
const RUNS = 5;

/**
 * Time x·Wᵀ, dy·W and dyᵀ·x of `size` tokens and a weight of [2 size, size], and choose for each that is transposed what took
 * least, of all types together. `gflops` is the device's rate, about, which the size follows from; a second or two in all.
 */
export async function measureSpellings(
  device: Device,
  gflops: number,
  dtypes: readonly Measured["dtype"][],
): Promise<{ spelling: Spelling; measured: Measured[] }> {
  const before = device.spelling!;
  const size = [2048, 1024, 512, 256, 128].find((size) => flopOf(size) / gflops / 1e6 <= LONG) ?? 128;
  const measured: Measured[] = [];
  const total: Record<keyof Spelling, Record<string, number>> = { forward: {}, weight_gradient: {} };
  for (const dtype of dtypes) {
    for (const [name, shape] of Object.entries({ x: [size, size], w: [2 * size, size], dy: [size, 2 * size] }))
      await device.write(name, noise(dtype, shape));
    const of = (name: string, shape: number[]) => input(name, dtype, shape);
    const [x, w, dy] = [of("x", [size, size]), of("w", [2 * size, size]), of("dy", [size, 2 * size])];
    const turned = (y: Value) => Transpose(y, { perm: [1, 0] });
    const rate = (ms: number) => Number((flopOf(size) / ms / 1e6).toPrecision(3));
    for (const [product, y] of [
      ["forward", MatMul(x, turned(w))],
      ["weight_gradient", MatMul(turned(dy), x)],
    ] as const) {
      const rates: Measured["gflops"] = {};
      for (const spelling of SPELLINGS) {
        device.spell({ ...before, [product]: spelling });
        const ms = await medianTime(device, RUNS, y);
        rates[spelling] = rate(ms);
        total[product][spelling] = (total[product][spelling] ?? 0) + ms;
      }
      measured.push({ product, dtype, size, gflops: rates });
    }
    const ms = await medianTime(device, RUNS, MatMul(dy, w));
    measured.push({ product: "data_gradient", dtype, size, gflops: { MatMul: rate(ms) } });
    await device.forget("x", "w", "dy");
  }
  /** What is used stays where another is faster by less than measurements differ. */
  const fastest = (product: keyof Spelling) =>
    SPELLINGS.find((one) => total[product][one]! < 0.95 * total[product][before[product]]!) ?? before[product];
  const spelling = { forward: fastest("forward"), weight_gradient: fastest("weight_gradient") };
  device.spell(spelling);
  return { spelling, measured };
}

const flopOf = (size: number) => 2 * size * size * 2 * size;

function noise(dtype: Measured["dtype"], shape: readonly number[]) {
  const values = Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => ((i * 7919) % 1009) / 1009 - 0.5);
  return tensor(dtype, shape, dtype === "float16" ? Uint16Array.from(values, toFloat16) : values);
}
