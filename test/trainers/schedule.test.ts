import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { TrainerOptions } from "../../src/trainers/options.ts";
import { scheduleConflict, scheduled, warmupOf } from "../../src/trainers/schedule.ts";
import { SCHEDULES } from "../../src/trainers/schedules.ts";

/** What transformers made: schedules.py says how. */
const reference = JSON.parse(readFileSync("test/reference/schedules.json", "utf8")) as {
  learning_rate: number;
  names: string[];
  warmup_steps: [number, number, number][];
  cases: {
    lr_scheduler_type: string;
    lr_scheduler_kwargs: Record<string, unknown>;
    steps: number;
    warmup: number;
    shares: number[];
  }[];
};
const { learning_rate } = reference;

const options = (given: object) => TrainerOptions.parse({ learning_rate, ...given });
const all = (steps: number, given: object) =>
  Array.from({ length: steps }, (_, i) => scheduled(i + 1, steps, options(given)));

test("every schedule is that of transformers, in the warm-up the one of a step later", () => {
  let worst = 0;
  for (const { lr_scheduler_type, lr_scheduler_kwargs, steps, warmup, shares } of reference.cases) {
    const same = lr_scheduler_type === "cosine_warmup_with_min_lr"; // there, too, the first step has a rate
    const ours = all(steps, { lr_scheduler_type, lr_scheduler_kwargs, warmup_steps: warmup });
    for (const [i, share] of ours.entries()) {
      const step = i + 1;
      const theirs = same || step > warmup ? shares[step - 1]! : step === warmup ? 1 : shares[step]!;
      const difference = Math.abs(share - theirs);
      worst = Math.max(worst, difference);
      assert.ok(difference < 1e-12, `${lr_scheduler_type}, step ${step} of ${steps}: ${share}, expected ${theirs}`);
    }
  }
  assert.ok(reference.cases.length > 90 && worst < 1e-12);
});

test("every name of transformers is a schedule, or refused with what to take instead", () => {
  const known = new Set(reference.cases.map(({ lr_scheduler_type }) => lr_scheduler_type));
  assert.deepEqual([...Object.keys(SCHEDULES)].filter((name) => !known.has(name)).sort(), ["constant"]);
  for (const name of reference.names) {
    const { success, error } = TrainerOptions.safeParse({ lr_scheduler_type: name });
    assert.equal(success, name in SCHEDULES, name);
    if (!success) assert.match(error!.issues[0]!.message, new RegExp(`^${name} is not offered, .* Take cosine`));
  }
  assert.match(TrainerOptions.safeParse({ lr_scheduler_type: "cosin" }).error!.issues[0]!.message, /"cosine"/);
});

test("warmup_steps is a number of steps or a share as in transformers, and goes before warmup_ratio", () => {
  for (const [warmup_steps, steps, warmup] of reference.warmup_steps)
    assert.equal(warmupOf(steps, options({ warmup_steps, warmup_ratio: 0.9 })), warmup);
  assert.equal(warmupOf(10, options({ warmup_ratio: 0.41 })), 5);
  for (const warmup_steps of [2.5, -1]) assert.ok(!TrainerOptions.safeParse({ warmup_steps }).success);
});

test("options of a schedule that it does not have, or that contradict each other, are refused by name", () => {
  const said = (lr_scheduler_type: string, lr_scheduler_kwargs?: Record<string, unknown>) =>
    scheduleConflict(options({ lr_scheduler_type, lr_scheduler_kwargs }))?.message;
  assert.equal(said("cosine", { num_cycles: 2 }), undefined);
  assert.equal(said("cosine", { cycles: 2 }), 'the schedule cosine has no "cycles". Expected some of: num_cycles');
  assert.equal(said("linear", { power: 2 }), 'the schedule linear has no "power". Expected none, leave it out');
  assert.match(said("cosine", { num_cycles: "two" })!, /^the schedule cosine: num_cycles: .*number/);
  assert.match(said("warmup_stable_decay")!, /num_decay_steps: give the number of steps/);
  assert.match(said("polynomial", { lr_end: 1 })!, /lr_end 1 is not below trainer\.learning_rate 0\.003/);
  assert.match(said("cosine_with_min_lr", { min_lr: 1e-4, min_lr_rate: 0.1 })!, /either min_lr or min_lr_rate/);
  assert.match(said("cosine_with_min_lr", { min_lr: 1 })!, /min_lr 1 is above/);
});

test("every schedule rises linearly over the warm-up", () => {
  for (const lr_scheduler_type of ["linear", "constant", "cosine_with_min_lr"])
    assert.deepEqual(all(10, { lr_scheduler_type, warmup_ratio: 0.4 }).slice(0, 5), [0.25, 0.5, 0.75, 1, 1]);
});

test("the schedules that there were are what they were, bit by bit", () => {
  const before = (step: number, steps: number, type: string, ratio: number, least: number) => {
    const warmup = Math.ceil(steps * ratio);
    if (step <= warmup) return step / warmup;
    if (type === "constant") return 1;
    const progress = (step - 1 - warmup) / Math.max(1, steps - warmup);
    if (type === "linear") return 1 - progress;
    return least + (1 - least) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
  for (const lr_scheduler_type of ["linear", "constant", "cosine_with_min_lr"])
    for (const [steps, warmup_ratio, min_lr_rate] of [
      [1, 0.03, 0.1],
      [97, 0.03, 0.1],
      [300, 0, 0.37],
    ] as const)
      assert.deepEqual(
        all(steps, { lr_scheduler_type, warmup_ratio, min_lr_rate }),
        Array.from({ length: steps }, (_, i) => before(i + 1, steps, lr_scheduler_type, warmup_ratio, min_lr_rate)),
      );
});
