import { input } from "../graph/value.ts";
import { MatMul } from "../ops/index.ts";
import { slice } from "../ops/movement.ts";
import type { Device } from "./device.ts";
import { tensor } from "./tensor.ts";

/** The median rate of a plain MatMul of two `size`² matrices on the device, in GFLOP/s. */
export async function measureMatMul(device: Device, { size = 1024, runs = 11 } = {}): Promise<number> {
  const shape = [size, size];
  const y = MatMul(input("a", "float32", shape), input("b", "float32", shape));
  // an element is read back: a GPU answers for a product that stays on it before it has computed it
  const element = slice(slice(y, 0, size - 1, size), 1, size - 1, size);
  const program = await device.compile({ y, element }, { keep: ["y"] });
  const values = () => Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
  await device.write("a", tensor("float32", shape, values()));
  await device.write("b", tensor("float32", shape, values()));
  const times: number[] = [];
  for (let i = 0; i < runs + 2; i++) {
    const start = performance.now();
    await program.run({});
    if (i >= 2) times.push(performance.now() - start);
  }
  await device.forget("a", "b", "y");
  const median = times.sort((a, b) => a - b)[runs >> 1]!;
  return (2 * size ** 3) / median / 1e6;
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
