import { toFloat16 } from "../formats/float16.ts";
import { input } from "../graph/value.ts";
import { Add, MatMul, Mul, ReduceSum } from "../ops/index.ts";
import { slice } from "../ops/movement.ts";
import type { Device } from "./device.ts";
import { tensor } from "./tensor.ts";

/** The median rate of a plain MatMul of two `size`² matrices that are on the device, in GFLOP/s. */
export async function measureMatMul(
  device: Device,
  { size = 1024, runs = 11, dtype = "float32" as "float32" | "float16" } = {},
): Promise<number> {
  const product = await matMul(device, size, dtype);
  const times: number[] = [];
  for (let i = 0; i < runs + 2; i++) {
    const start = performance.now();
    await product.run();
    if (i >= 2) times.push(performance.now() - start);
  }
  await product.end();
  const median = times.sort((a, b) => a - b)[runs >> 1]!;
  return (2 * size ** 3) / median / 1e6;
}

async function matMul(device: Device, size: number, dtype: "float32" | "float16" = "float32") {
  const shape = [size, size];
  const y = MatMul(input("a", dtype, shape), input("b", dtype, shape));
  // an element is read back: a GPU answers for a product that stays on it before it has computed it
  const element = slice(slice(y, 0, size - 1, size), 1, size - 1, size);
  const program = await device.compile({ y, element }, { keep: ["y"] });
  const values = () => {
    const sines = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
    return dtype === "float16" ? Uint16Array.from(sines, toFloat16) : sines;
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
