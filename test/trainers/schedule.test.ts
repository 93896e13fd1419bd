import assert from "node:assert/strict";
import { test } from "node:test";
import { ScheduleOptions, scheduled } from "../../src/trainers/schedule.ts";

const all = (steps: number, options: object) =>
  Array.from({ length: steps }, (_, i) => scheduled(i + 1, steps, ScheduleOptions.parse(options)));

test("every schedule rises linearly over the warm-up", () => {
  for (const lr_scheduler_type of ["linear", "constant", "cosine_with_min_lr"])
    assert.deepEqual(all(10, { lr_scheduler_type, warmup_ratio: 0.4 }).slice(0, 5), [0.25, 0.5, 0.75, 1, 1]);
});

test("linear falls towards 0, cosine towards its minimum, constant stays", () => {
  const linear = all(100, { lr_scheduler_type: "linear", warmup_ratio: 0 });
  assert.ok(Math.abs(linear.at(-1)! - 0.01) < 1e-12 && Math.abs(linear[50]! - 0.5) < 1e-12);
  const cosine = all(100, { warmup_ratio: 0, min_lr_rate: 0.1 });
  assert.ok(Math.abs(cosine[50]! - 0.55) < 1e-12 && cosine.at(-1)! > 0.1 && cosine.at(-1)! < 0.101);
  assert.ok(all(100, { lr_scheduler_type: "constant", warmup_ratio: 0 }).every((x) => x === 1));
});
