import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { SPELLINGS, type Spelling } from "../../src/compiler/targets.ts";
import { input } from "../../src/graph/value.ts";
import { MatMul, Transpose } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { measureSpellings } from "../../src/runtime/measure-spellings.ts";
import { keepSpelling, keptSpelling } from "../../src/runtime/spellings.ts";
import { scratch } from "../support/students.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const skip = whyNoVulkan() ?? false;
process.env.XDG_CACHE_HOME = scratch();

/** What the driver's adapter does not do by default. */
const OTHER: Spelling = { forward: "Gemm", weight_gradient: "Transpose" };
const DEFAULT: Spelling = { forward: "Transpose", weight_gradient: "Gemm" };

test("what was measured is kept for this adapter alone, and a file that is none of ours counts for nothing", () => {
  assert.equal(keptSpelling(), undefined);
  const file = keepSpelling(OTHER);
  assert.ok(file.startsWith(join(process.env.XDG_CACHE_HOME!, "distill")));
  const { measured_at, ...kept } = keptSpelling()!;
  assert.deepEqual(kept, OTHER);
  assert.match(measured_at, /^\d{4}-\d\d-\d\d$/);
  const driver = process.env.VK_DRIVER_FILES;
  process.env.VK_DRIVER_FILES = "/another/driver.json";
  assert.equal(keptSpelling(), undefined);
  if (driver === undefined) delete process.env.VK_DRIVER_FILES;
  else process.env.VK_DRIVER_FILES = driver;
  mkdirSync(dirname(file), { recursive: true });
  for (const text of ["", "[]", "null", readFileSync(file, "utf8").replaceAll("Gemm", "Conv"), "{"]) {
    writeFileSync(file, text);
    assert.equal(keptSpelling(), undefined, text);
  }
  keepSpelling(DEFAULT);
  assert.equal(keptSpelling()!.forward, "Transpose");
});

test("a device spells products as was kept, and a CPU as ever", { skip }, async () => {
  for (const spelling of [OTHER, DEFAULT]) {
    keepSpelling(spelling);
    const device = await openDevice("webgpu", { strict: true });
    assert.deepEqual(device.spelling, spelling);
    const w = input("w", "float32", [8, 4]);
    const program = await device.compile({ y: MatMul(input("x", "float32", [2, 4]), Transpose(w, { perm: [1, 0] })) });
    assert.equal(program.nodes, spelling.forward === "Gemm" ? 1 : 2);
    device.spell(DEFAULT);
    assert.deepEqual(device.spelling, DEFAULT);
    await device.close();
  }
  const cpu = await openDevice("cpu");
  cpu.spell(OTHER);
  assert.equal(cpu.spelling, undefined);
  await cpu.close();
});

test("each product is timed in each spelling, and the fastest is chosen", { skip }, async () => {
  const device = await openDevice("webgpu", { strict: true });
  const { spelling, measured } = await measureSpellings(device, 0.01, ["float32"]);
  assert.deepEqual(device.spelling, spelling);
  assert.deepEqual(
    measured.map(({ product }) => product),
    ["forward", "weight_gradient", "data_gradient"],
  );
  for (const { product, gflops, size } of measured) {
    assert.equal(size, 128);
    assert.ok(Object.values(gflops).every((rate) => rate > 0));
    if (product === "data_gradient") continue;
    const fastest = SPELLINGS.reduce((a, b) => (gflops[b]! > gflops[a]! ? b : a));
    // what is used stays where the difference is small
    assert.ok(gflops[spelling[product]]! >= 0.94 * gflops[fastest]!, JSON.stringify({ product, gflops, spelling }));
  }
  assert.deepEqual(await device.states(), []);
  await device.close();
  assert.ok(existsSync(process.env.XDG_CACHE_HOME!));
});
