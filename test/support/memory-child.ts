/** @file A process that asks a device for more memory than it may have: prints what is said of it, and whether the device goes on. */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { DistillError } from "../../src/core/errors.ts";
import { input } from "../../src/graph/value.ts";
import { Exp, MatMul, Neg, ReduceSum } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import type { Provider } from "../../src/runtime/protocol.ts";
import { tensor } from "../../src/runtime/tensor.ts";

const [provider, what] = process.argv.slice(2) as [Provider, "run" | "state" | "write"];

/** Let the process have so many MiB beyond what it has. */
function allow(more: number | undefined): void {
  const kib = Number(/^VmSize:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]);
  const limit = more === undefined ? "unlimited" : String(kib * 1024 + more * 2 ** 20);
  const { status, stderr } = spawnSync("prlimit", ["--pid", String(process.pid), `--as=${limit}:`]);
  if (status !== 0) throw new Error(stderr.toString());
}

const device = await openDevice(provider);
const [n, k] = [16384, 4];
const [a, b] = [input("a", "float32", [n, k]), input("b", "float32", [k, n])];
const product = Exp(MatMul(a, b)); // 1 GiB, twice
const sum = ReduceSum(Neg(product), { axes: [0, 1] });
const whole = await device.compile(what === "state" ? { product } : { sum }, {
  keep: what === "state" ? ["product"] : [],
});
const small = await device.compile({ y: Neg(input("a", "float32", [n, k])) });
await device.write("a", tensor("float32", [n, k], new Float32Array(n * k).fill(1)));
await device.write("b", tensor("float32", [k, n], new Float32Array(n * k)));
await small.run({});
const large = what === "write" ? tensor("float32", [2 ** 27], new Float32Array(2 ** 27)) : undefined;
allow(300);
try {
  if (large) await device.write("large", large);
  else await whole.run({});
  console.log("nothing");
} catch (error) {
  const said = (error as Error).message;
  console.log(error instanceof DistillError ? said : `not a sentence: ${said}`);
}
allow(undefined);
const { y } = await small.run({});
console.log(`goes on with ${y!.data[0]}`);
await device.close();
