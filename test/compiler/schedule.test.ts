import assert from "node:assert/strict";
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gradients } from "../../src/compiler/gradients.ts";
import { backwards, runtimeOrder } from "../../src/compiler/listing.ts";
import { lower } from "../../src/compiler/lower.ts";
import { schedule } from "../../src/compiler/schedule.ts";
import { targets } from "../../src/compiler/targets.ts";
import { constant, input, type Value } from "../../src/graph/value.ts";
import { After, Exp, Mul, Sqrt } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { batchFeeds, batchLoss } from "../../src/trainers/program.ts";
import { ranOps } from "../support/profile.ts";
import { batchOf, prepare, segment } from "../support/training.ts";

test("what an After puts earlier comes earlier, and is not computed only for that", () => {
  const x = input("x", "float32", [2]);
  const first = Exp(x);
  const ordered = schedule([Mul(Sqrt(After(x, first)), first)], backwards).order.map(({ node }) => node?.op.type);
  assert.ok(ordered.indexOf("Exp") < ordered.indexOf("Sqrt"));
  const alone = schedule([Sqrt(After(x, Exp(x)))], backwards).order.map(({ node }) => node?.op.type);
  assert.ok(!alone.includes("Exp"));
});

test("an order that ONNX Runtime would not follow becomes a dependency, and nothing is computed twice", () => {
  const x = input("x", "float32", [2]);
  // both results are asked for before the first is used, so that nothing but a dependency can order them
  const first = Exp(x);
  const second = Sqrt(After(x, Mul(first, constant([2, 2], "float32"))));
  const { order } = schedule([second, Mul(first, constant([2, 2], "float32"))], backwards);
  assert.equal(order.filter(({ node }) => node?.op.type === "Exp").length, 1);
});

test("ONNX Runtime runs a rematerialised training step in the order that the schedule foresees", async () => {
  const folder = mkdtempSync(join(tmpdir(), "profile-"));
  const device = await openDevice("cpu", { threads: 1, profile: join(folder, "run") });
  const model = await prepare(device);
  const batch = batchOf([[segment(1, 20, 5), segment(2, 9, 3)]], 32, 40, 16);
  const loss = batchLoss(model, batch.shape, true);
  const grads = gradients(
    loss,
    model.parameters.map(({ name }) => model.weight(name)),
  );
  const outputs: Record<string, Value> = Object.fromEntries(grads.map((grad, i) => [`grad ${i}`, grad]));
  const program = await device.compile(outputs);
  await program.run(batchFeeds(batch, 1));
  await device.close();

  const { listed } = schedule(lower(Object.values(outputs), targets.cpu), backwards);
  const ours = runtimeOrder(listed).map(({ node }) => node!.op.type);
  const runs = readdirSync(folder).map((file) => ranOps(join(folder, file)));
  const theirs = runs.sort((a, b) => b.length - a.length)[0]!.filter((op) => op !== "Identity");
  assert.deepEqual(theirs, ours);
});
