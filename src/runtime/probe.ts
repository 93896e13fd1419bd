import { seededRandom } from "../core/random.ts";
import { toFloat16 } from "../formats/float16.ts";
import { input } from "../graph/value.ts";
import { Add, MatMul, Mul, ReduceSum } from "../ops/index.ts";
import { slice } from "../ops/movement.ts";
import type { Device } from "./device.ts";
import { tensor } from "./tensor.ts";

/** More products in a run that tells what they take from what copies take. */
const MORE = 32;

/** The median rate of a plain MatMul of two `size`² matrices that are on the device, in GFLOP/s. */
export async function measureMatMul(
  device: Device,
  { size = 1024, runs = 11, dtype = "float32" as "float32" | "float16" } = {},
): Promise<number> {
  const median = async (products: number) => {
    const product = await matMul(device, size, dtype, products);
    const times: number[] = [];
    for (let i = 0; i < runs + 2; i++) {
      const start = performance.now();
      await product.run();
      if (i >= 2) times.push(performance.now() - start);
    }
    await product.end();
    return times.sort((a, b) => a - b)[runs >> 1]!;
  };
  const one = await median(1);
  // where a run copies the matrices to the device, what many products take beyond one
  const more = device.target.residency === "copied" ? (await median(1 + MORE)) - one : 0;
  const ms = more > 0 ? more / MORE : one;
  return (2 * size ** 3) / ms / 1e6;
}

/** A program of `products`, each of what the one before gave and the same matrix. */
async function matMul(device: Device, size: number, dtype: "float32" | "float16" = "float32", products = 1) {
  const shape = [size, size];
  let y = input("a", dtype, shape);
  for (let i = 0; i < products; i++) y = MatMul(y, input("b", dtype, shape));
  // an element is read back: a GPU answers for a product that stays on it before it has computed it
  const element = slice(slice(y, 0, size - 1, size), 1, size - 1, size);
  const program = await device.compile({ y, element }, { keep: ["y"] });
  // noise of a prime period, scaled so that a product is no larger than its left factor
  const random = seededRandom(1);
  const noise = Float32Array.from({ length: 65521 }, () => (random.uniform() - 0.5) * Math.sqrt(12 / size));
  const values = () => {
    const all = Float32Array.from({ length: size * size }, (_, i) => noise[i % noise.length]!);
    return dtype === "float16" ? Uint16Array.from(all, toFloat16) : all;
  };
  await device.write("a", tensor(dtype, shape, values()));
  await device.write("b", tensor(dtype, shape, values()));
  return { run: () => program.run({}), end: () => device.forget("a", "b", "y") };
}

/** The size of matrices whose product takes at least this long says what the device can do, not what a call costs; in ms. */
const LONG = 20;

/** The rate of a plain MatMul that is large for the device, and its size. */
export async function measureLargeMatMul(device: Device): Promise<{ size: number; gflops: number }> {
  for (let size = 256; ; size *= 2) {
    const gflops = await measureMatMul(device, { size, runs: 3 });
    if (size === 4096 || (2 * size ** 3) / gflops / 1e6 >= LONG) return { size, gflops };
  }
}

/** Rates that a device keeps up, whatever else the machine is doing. */
export type Rates = { matmul_gflops: number; elementwise_gb_s: number };

const CHAIN = 8;

/** The rates of a product of two 512² matrices, and of elementwise ops on tensors of 4 MiB, each over half a second. */
export async function measureRates(device: Device): Promise<Rates> {
  const size = 512;
  const product = await matMul(device, size);
  const products = await runsPerSecond(product.run);
  await product.end();

  const shape = [1 << 10, 1 << 10];
  const [a, b] = [input("a", "float32", shape), input("b", "float32", shape)];
  let y = Mul(a, b);
  for (let i = 1; i < CHAIN; i++) y = i % 2 === 0 ? Mul(y, b) : Add(y, a);
  const program = await device.compile({ y: ReduceSum(y, { axes: [0, 1] }) });
  for (const name of ["a", "b"])
    await device.write(name, tensor("float32", shape, new Float32Array(1 << 20).fill(0.5)));
  const chains = await runsPerSecond(() => program.run({}));
  await device.forget("a", "b");
  await program.release();
  return {
    matmul_gflops: (products * 2 * size ** 3) / 1e9,
    elementwise_gb_s: (chains * 3 * CHAIN * (4 << 20)) / 1e9,
  };
}

async function runsPerSecond(run: () => Promise<unknown>, ms = 500): Promise<number> {
  await run();
  await run();
  const start = performance.now();
  let runs = 0;
  while (performance.now() - start < ms) {
    await run();
    runs++;
  }
  return (1000 * runs) / (performance.now() - start);
}
