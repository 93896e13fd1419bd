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
  const ms = await timeOfOne(device, runs, (products) => {
    let y = input("a", dtype, shape);
    for (let i = 0; i < products; i++) y = MatMul(y, b);
    return y;
  });
  await device.forget("a", "b");
  return (2 * size ** 3) / ms / 1e6;
}

/** A difference in time between runs that says what was computed, not how the runs differed; in ms. */
const PLAIN = 20;

/**
 * The median time of what `chain` does once, in ms, from states to a matrix. Where a run copies its states to the device, what
 * a longer chain takes beyond the shortest.
 */
async function timeOfOne(device: Device, runs: number, chain: (length: number) => Value): Promise<number> {
  const shortest = await medianTime(device, runs, chain(1));
  if (device.target.residency !== "copied") return shortest;
  for (let more = 16; ; more *= 4) {
    const difference = (await medianTime(device, runs, chain(1 + more))) - shortest;
    if (difference >= PLAIN || more >= 1024) return Math.max(difference, 1e-3) / more;
  }
}

async function medianTime(device: Device, runs: number, y: Value): Promise<number> {
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
  const copied = device.target.residency === "copied"; // a result would cross the bus
  const program = await device.compile({ ...(copied ? {} : { y }), element }, { keep: copied ? [] : ["y"] });
  return {
    run: program.run,
    async end() {
      if (!copied) await device.forget("y");
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

/** The rates of a product of two 512² matrices, and of elementwise ops on tensors of 4 MiB, each over half a second. */
export async function measureRates(device: Device): Promise<Rates> {
  const size = 512;
  const shape = [1 << 10, 1 << 10];
  const [a, b] = [input("a", "float32", shape), input("b", "float32", shape)];
  const chain = (length: number) => {
    let y = Mul(a, b);
    for (let i = 1; i < CHAIN * length; i++) y = i % 2 === 0 ? Mul(y, b) : Add(y, a);
    return y;
  };
  const bytes = 3 * CHAIN * (4 << 20);
  const write = async (shape: number[]) => {
    for (const name of ["a", "b"])
      await device.write(name, tensor("float32", shape, new Float32Array(shape[0]! * shape[1]!).fill(0.5)));
  };
  if (device.target.residency === "copied") {
    const matmul_gflops = await measureMatMul(device, { size });
    await write(shape);
    const elementwise_gb_s = bytes / (await timeOfOne(device, 11, chain)) / 1e6;
    await device.forget("a", "b");
    return { matmul_gflops, elementwise_gb_s };
  }
  await write([size, size]);
  const [left, right] = [input("a", "float32", [size, size]), input("b", "float32", [size, size])];
  const products = await runsPerSecond(await compileProbe(device, MatMul(left, right)));
  await write(shape);
  const chains = await runsPerSecond(await compileProbe(device, ReduceSum(chain(1), { axes: [0, 1] })));
  await device.forget("a", "b");
  return { matmul_gflops: (products * 2 * size ** 3) / 1e9, elementwise_gb_s: (chains * bytes) / 1e9 };
}

async function runsPerSecond({ run, end }: Awaited<ReturnType<typeof compileProbe>>, ms = 500): Promise<number> {
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
