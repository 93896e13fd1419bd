import { toFloat16 } from "../formats/float16.ts";
import { input } from "../graph/value.ts";
import { MatMul } from "../ops/index.ts";
import { slice } from "../ops/movement.ts";
import type { Device } from "./device.ts";
import { tensor } from "./tensor.ts";

/** The median rate of a plain MatMul of two `size`² matrices that are on the device, in GFLOP/s. */
export async function measureMatMul(
  device: Device,
  { size = 1024, runs = 11, dtype = "float32" as "float32" | "float16" } = {},
): Promise<number> {
  const shape = [size, size];
  const y = MatMul(input("a", dtype, shape), input("b", dtype, shape));
  // an element is read back, because a GPU's product is only asked for, not awaited
  const corner = slice(slice(y, 0, 0, 1), 1, 0, 1);
  const program = await device.compile({ y, corner }, { keep: ["y"] });
  const values = () => {
    const sines = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
    return dtype === "float16" ? Uint16Array.from(sines, toFloat16) : sines;
  };
  await device.write("a", tensor(dtype, shape, values()));
  await device.write("b", tensor(dtype, shape, values()));
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
