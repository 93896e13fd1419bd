import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Stopped } from "../../src/core/errors.ts";
import { compareFiles } from "../../src/exporters/gate.ts";
import { onnx } from "../../src/exporters/index.ts";
import { ParityOptions } from "../../src/exporters/limits.ts";
import { openOnnxRunner } from "../../src/exporters/runners/onnx.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import { scratch, writeStudent } from "../support/students.ts";

/** A student whose prompts take some hundred ms to read. */
const LARGE = { hidden_size: 256, intermediate_size: 768, num_hidden_layers: 10, max_position_embeddings: 1024 };

test("the parity gate stops within a text, of the weights and of a file", async () => {
  const folder = scratch();
  const [student, output] = [join(folder, "student"), join(folder, "export")];
  await writeStudent(student, LARGE);
  const files = await onnx.create(onnx.options.parse({ dtypes: ["fp32"] }))({ folder: student }, output);
  const text = Array.from({ length: 1000 }, (_, i) => 3 + (i % 17));

  const reference = await openReferenceRunner(student);
  const asked = { stops: [], max_completion_length: 2 };
  const prompts = Array.from({ length: 8 }, (_, i) => text.slice(i));
  const first = await stopped((signal) => reference.continueGreedily(prompts, { ...asked, signal }));
  assert.ok(first.error instanceof Stopped);
  assert.ok(first.late < 500, `${first.late} ms after the signal`);
  assert.equal((await reference.continueGreedily([text.slice(0, 9)], asked)).length, 1);
  await reference.close();

  const file = await openOnnxRunner(files[0]!.path);
  const controller = new AbortController();
  const proceed = file.heed!(controller.signal);
  const second = await stopped(async () => {
    for (let i = 0; i < 100; i++) await file.logits(text);
  }, controller);
  assert.ok(second.error instanceof Stopped);
  assert.ok(second.late < 500, `${second.late} ms after the signal`);
  await proceed();
  assert.ok((await file.logits(text.slice(0, 9))).length > 0);
  await file.close();

  const parity = ParityOptions.parse({ texts: 0 });
  const third = await stopped(async (signal) => {
    const found = await compareFiles(student, files, ["1+1=".repeat(200), "2+2=".repeat(190)], parity, signal);
    if (!found) throw new Stopped();
  });
  assert.ok(third.error instanceof Stopped, `${third.error}`);
});

/** What became of work that was asked to stop after 60 ms, and how many ms later. */
async function stopped(work: (signal: AbortSignal) => Promise<unknown>, controller = new AbortController()) {
  let at = Number.NaN;
  setTimeout(() => {
    at = performance.now();
    controller.abort();
  }, 60);
  const error = await work(controller.signal).then(
    () => undefined,
    (error: unknown) => error,
  );
  return { error, late: performance.now() - at };
}
