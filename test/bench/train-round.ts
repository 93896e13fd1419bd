/** @file One shape in a process of its own: for every line on stdin, time a round of steps and print what it gave. */

import { createInterface } from "node:readline";
import { measureMatMul } from "../../src/runtime/probe.ts";
import { flopsOf, SHAPES } from "./shapes.ts";
import { openTraining } from "./training.ts";

const benchShape = SHAPES[process.argv[2]!]!;
const threads = Number(process.argv[3] ?? 0);
const { steps } = benchShape;
const profile = process.env.DISTILL_PROFILE;
const { device, params, trained, nodes, step } = await openTraining(benchShape, {
  threads,
  ...(profile ? { profile } : {}),
});

const tokens = benchShape.rows * benchShape.length;
const flops = flopsOf(benchShape, params, trained);

for await (const _ of createInterface(process.stdin)) {
  const before = await measureMatMul(device, { runs: 15 });
  const used = process.cpuUsage();
  const start = performance.now();
  let loss = 0;
  for (let i = 0; i < steps; i++) loss = await step();
  const seconds = (performance.now() - start) / 1000 / steps;
  const { user, system } = process.cpuUsage(used);
  const after = await measureMatMul(device, { runs: 15 });
  const gflops = flops / seconds / 1e9;
  const matmul_gflops = (before + after) / 2;
  const round = {
    params,
    tokens_per_s: tokens / seconds,
    gflops,
    matmul_gflops,
    of_matmul: gflops / matmul_gflops,
    peak_rss_mb: await device.peakMemory(),
    cpu_s: (user + system) / 1e6 / steps,
    loss,
    nodes,
  };
  console.log(JSON.stringify(round));
}
await device.close();
