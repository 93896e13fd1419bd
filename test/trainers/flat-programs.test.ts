import assert from "node:assert/strict";
import { test } from "node:test";
import { lower } from "../../src/compiler/lower.ts";
import { type Target, targets } from "../../src/compiler/targets.ts";
import type { Value } from "../../src/graph/value.ts";
import type { Parameter } from "../../src/models/model.ts";
import { Reshape } from "../../src/ops/index.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { compileGather, compileSpread } from "../../src/trainers/layout/flat-programs.ts";
import { type Flat, layOut } from "../../src/trainers/layout/runs.ts";

const parameters = Object.entries({ wide: [4, 6], tall: [8, 6], other: [3, 4], norm: [6] }).map(
  ([name, shape]): Parameter => ({ name, shape, init: "zeros" }),
);
const [alike, mixed, norms] = layOut(parameters, 72, { made: [], folds: [], first: [] });

/** What a program of flats computes last, on a device of a target that runs nothing. */
async function outputsOf(target: Target, compile: (device: Device) => Promise<unknown>): Promise<Value[]> {
  const compiled: Value[] = [];
  const device = {
    target,
    async compile(outputs: Record<string, Value>) {
      compiled.push(...lower(Object.values(outputs), target));
    },
  };
  await compile(device as unknown as Device);
  return compiled;
}

const typesOf = ({ parameters }: Flat) => parameters.map(({ shape }) => ({ dtype: "float32", shape }) as const);

const isCopied = ({ node }: Value) => node?.op === Reshape;

test("tensors are cut from a flat, and joined into one, as they lie, so that none is copied into its shape", async () => {
  assert.deepEqual(
    [alike, mixed, norms].map((flat) => flat?.parameters.map(({ name }) => name)),
    [["wide", "tall"], ["other"], ["norm"]],
  );
  for (const [target, copies] of [
    [targets.webgpu, 0],
    [targets.cuda, 2], // which cuts by a table of every row
  ] as const) {
    const cut = await outputsOf(target, (device) => compileSpread(device, alike!, "float32"));
    assert.equal(cut.filter(isCopied).length, copies, target.name);
    const joined = await outputsOf(target, (device) => compileGather(device, typesOf(alike!)));
    assert.equal(joined.filter(isCopied).length, copies / 2, target.name);
  }
});

test("what is joined into a flat and cut from it again is what it was, whichever rows it is joined by", async () => {
  for (const target of [targets.webgpu, targets.cuda]) {
    const device = await openDevice("cpu", { residency: "device" });
    const other = {
      target: { ...device.target, cutsByTables: target.cutsByTables ?? false },
      compile: device.compile.bind(device),
    } as Device;
    for (const tensors of [parameters.slice(0, 2), parameters.slice(0, 3), parameters.slice(3)]) {
      const [flat] = layOut(tensors, 100, { made: [], folds: [], first: [] });
      const values = flat!.parameters.map(({ shape }, k) => {
        return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => 100 * k + i) };
      });
      for (const [i, { shape, data }] of values.entries())
        await device.write(`x${i}`, tensor("float32", [...shape], data.slice()));
      const { first } = await compileGather(other, typesOf(flat!));
      await first.run({});
      await device.forget(...values.map((_, i) => `x${i}`));
      await (await compileSpread(other, flat!, "float32")).run({});
      for (const [i, { data }] of values.entries())
        assert.deepEqual((await device.read(`x${i}`)).data, data, flat!.parameters[i]!.name);
    }
    await device.close();
  }
});
