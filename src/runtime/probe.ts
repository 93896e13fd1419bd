import { input } from "../graph/value.ts";
import { MatMul } from "../ops/index.ts";
import type { Device } from "./device.ts";
import { tensor } from "./tensor.ts";

/** The median rate of a plain MatMul of two `size`² matrices that are fed from the host, in GFLOP/s. */
export async function measureMatMul(device: Device, { size = 1024, runs = 11 } = {}): Promise<number> {
  const shape = [size, size];
  const program = await device.compile(
    { y: MatMul(input("a", "float32", shape), input("b", "float32", shape)) },
    { keep: ["y"] },
  );
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
