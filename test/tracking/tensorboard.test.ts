import assert from "node:assert/strict";
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type BoardEvent, decodeEvents, encodeEvent } from "../../src/formats/tensorboard.ts";
import { tensorboard } from "../../src/tracking/tensorboard.ts";
import type { Told } from "../../src/tracking/tracker.ts";
import { scratch } from "../support/students.ts";

test("events are read as they were written, and a damaged one is noticed", () => {
  const events: BoardEvent[] = [
    { wall_time: 1.5, file_version: "brain.Event:2" },
    { wall_time: 2, step: 3, start: true },
    { wall_time: 2, step: 12, scalars: { loss: 0.5, "rewards/accuracy": -2 } },
    { wall_time: 2, step: 0, texts: { recipe: "ü" } },
  ];
  const bytes = Buffer.concat(events.map(encodeEvent));
  assert.deepEqual([...decodeEvents(bytes)], events);
  assert.deepEqual([...decodeEvents(bytes.subarray(0, -3))], events.slice(0, 3));
  for (const at of [3, 9, 20, bytes.length - 2]) {
    const bent = Buffer.from(bytes);
    bent[at]! ^= 1;
    assert.throws(() => [...decodeEvents(bent)], /damaged/);
  }
});

test("the bytes are TensorFlow's: the record of a file's version", () => {
  // tf.summary.create_file_writer's first record, with a wall time of 0
  const record = encodeEvent({ wall_time: 0, file_version: "brain.Event:2" });
  assert.equal(Buffer.from(record).readBigUInt64LE(0), BigInt(record.length - 16));
  assert.match(Buffer.from(record).toString("latin1"), /\x1a\rbrain\.Event:2/);
});

const told = (changes: Partial<Told> = {}): Told => ({
  ...{ name: "toy", path: "", params: { "trainer.type": "sft" }, tags: {}, series: "a", results: {}, files: [] },
  metrics: [],
  ...changes,
});
const metrics = (steps: number, from = 1) =>
  Array.from({ length: steps }, (_, i) => ({ step: from + i, loss: 1 / (from + i) }));

test("each step is told once, over restarts; what a killed run logs again replaces what it had", async () => {
  const path = scratch();
  const tracker = tensorboard.create({})({ path, env: {} });
  const signal = new AbortController().signal;
  let state: object | undefined;
  const tell = async (change: Partial<Told>) => {
    state = await tracker.tell(told(change), state, () => {}, signal);
  };
  const files = () => readdirSync(join(path, "tensorboard")).sort();
  const steps = (file: string) =>
    [...decodeEvents(readFileSync(join(path, "tensorboard", file)))].flatMap((event) =>
      "scalars" in event && "loss" in event.scalars ? [event.step] : [],
    );
  await tell({ metrics: metrics(3) });
  await tell({ metrics: metrics(5) });
  appendFileSync(join(path, "tensorboard", files()[0]!), "half a rec");
  state = JSON.parse(JSON.stringify(state));
  await tell({ metrics: metrics(7), results: { "evaluation/student/pass_at_1": 0.5 } });
  assert.deepEqual(files().map(steps), [[1, 2, 3, 4, 5, 6, 7]]);
  // back to step 4, and other values from there
  await tell({ metrics: [...metrics(4), { step: 5, loss: 9 }] });
  assert.equal(files().length, 2);
  const second = files().find((file) => steps(file).length === 5)!;
  const [, start] = decodeEvents(readFileSync(join(path, "tensorboard", second)));
  assert.deepEqual({ ...start, wall_time: 0 }, { wall_time: 0, step: 1, start: true });
});
