import { seededRandom } from "../core/random.ts";
import { toFloat16 } from "../formats/float16.ts";
import { input, type Value } from "../graph/value.ts";
import { Add, MatMul, Mul, ReduceSum } from "../ops/index.ts";
import { slice } from "../ops/movement.ts";
import type { Device } from "./device.ts";
import { tensor } from "./tensor.ts";

/** The median rate of a plain MatMul of two `size`² matrices that are on the device, in GFLOP/s. */
export async function measureMatMul(
  device: Device,
  { size = 1024, runs = 11, dtype = "float32" as "float32" | "float16" } = {},
): Promise<number> {
  // noise of a prime period, scaled so that a product is no larger than its left factor
  const random = seededRandom(1);
  const noise = Float32Array.from({ length: 65521 }, () => (random.uniform() - 0.5) * Math.sqrt(12 / size));
  const shape = [size, size];
  for (const name of ["a", "b"]) {
    const values = Float32Array.from({ length: size * size }, (_, i) => noise[i % noise.length]!);
    await device.write(name, tensor(dtype, shape, dtype === "float16" ? Uint16Array.from(values, toFloat16) : values));
  }
  const b = input("b", dtype, shape);
  const ms = await medianTime(device, runs, MatMul(input("a", dtype, shape), b));
  await device.forget("a", "b");
  return (2 * size ** 3) / ms / 1e6;
}

/** The median time of a program that computes `y` of states, in ms. */
export async function medianTime(device: Device, runs: number, y: Value): Promise<number> {
  const program = await compileProbe(device, y);
  const times: number[] = [];
  for (let i = 0; i < runs + 2; i++) {
    const start = performance.now();
    await program.run({});
    if (i >= 2) times.push(performance.now() - start);
  }
  await program.end();
  return times.sort((a, b) => a - b)[runs >> 1]!;
}

/** A program whose result is a state, as in training, and of which an element is read back: a GPU answers before it has computed. */
async function compileProbe(device: Device, y: Value) {
  const element = y.shape.reduce<Value>(
    (part, size, axis) => slice(part, axis, (size as number) - 1, size as number),
    y,
  );
  const program = await device.compile({ y, element }, { keep: ["y"] });
  return {
    run: program.run,
    async end() {
      await device.forget("y");
      await program.release();
    },
  };
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

/** The rates of a product of two 512² matrices, and of elementwise ops on tensors of 4 MiB, each over `ms`. */
export async function measureRates(device: Device, ms: number): Promise<Rates> {
  const size = 512;
  const shape = [1 << 10, 1 << 10];
  const [a, b] = [input("a", "float32", shape), input("b", "float32", shape)];
  let chain = Mul(a, b);
  for (let i = 1; i < CHAIN; i++) chain = i % 2 === 0 ? Mul(chain, b) : Add(chain, a);
  const bytes = 3 * CHAIN * (4 << 20);
  const write = async (shape: number[]) => {
    for (const name of ["a", "b"])
      await device.write(name, tensor("float32", shape, new Float32Array(shape[0]! * shape[1]!).fill(0.5)));
  };
  await write([size, size]);
  const [left, right] = [input("a", "float32", [size, size]), input("b", "float32", [size, size])];
  const products = await runsPerSecond(await compileProbe(device, MatMul(left, right)), ms);
  await write(shape);
  const chains = await runsPerSecond(await compileProbe(device, ReduceSum(chain, { axes: [0, 1] })), ms);
  await device.forget("a", "b");
  return { matmul_gflops: (products * 2 * size ** 3) / 1e9, elementwise_gb_s: (chains * bytes) / 1e9 };
}

async function runsPerSecond({ run, end }: Awaited<ReturnType<typeof compileProbe>>, ms: number): Promise<number> {
  await run({});
  await run({});
  const start = performance.now();
  let runs = 0;
  while (performance.now() - start < ms) {
    await run({});
    runs++;
  }
  const seconds = (performance.now() - start) / 1000;
  await end();
  return runs / seconds;
}
