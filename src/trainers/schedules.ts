/** @file The schedules, each under its name in transformers and with the options that it has there. */

import { z } from "zod";

/** Where a step is: how many are done before it, of how many; those of the warm-up; and the rate that a share is taken of. */
type Place = { done: number; steps: number; warmup: number; learning_rate: number; min_lr_rate: number };

// biome-ignore lint/suspicious/noExplicitAny: each schedule reads what its own schema made.
type Schedule<Kwargs extends z.ZodObject = any> = {
  kwargs: Kwargs;
  /** The share of the learning rate within the warm-up; a straight line to 1 unless given. */
  warmup?(place: Place, kwargs: z.output<Kwargs>): number;
  /** The same after it. */
  after(place: Place, kwargs: z.output<Kwargs>): number;
  /** What is wrong with options that are each right by themselves. */
  conflict?(kwargs: z.output<Kwargs>, run: { learning_rate: number }): string | undefined;
};

const schedule = <Kwargs extends z.ZodObject>(one: Schedule<Kwargs>): Schedule => one;

/** From 0 at the first step after the warm-up towards 1 at the end. */
const progress = ({ done, steps, warmup }: Place) => (done - warmup) / Math.max(1, steps - warmup);

/** From 1 down to 0 and, with more than half a cycle, up again. */
const wave = (num_cycles: number, x: number) => 0.5 * (1 + Math.cos(Math.PI * (2 * num_cycles) * x));

/** 0 to 1 onto `least` to 1. */
const above = (least: number, x: number) => least + (1 - least) * x;

const none = z.object({});
const share = z.number().min(0).max(1);
const num_cycles = z.number().positive().default(0.5);

const MinLr = z.object({ min_lr: z.number().nonnegative().optional(), min_lr_rate: share.optional(), num_cycles });
type MinLr = z.output<typeof MinLr>;

const leastOf = ({ min_lr, min_lr_rate }: MinLr, run: Pick<Place, "learning_rate" | "min_lr_rate">) =>
  min_lr === undefined ? (min_lr_rate ?? run.min_lr_rate) : min_lr / run.learning_rate;

function minLrConflict({ min_lr, min_lr_rate }: MinLr, { learning_rate }: { learning_rate: number }) {
  if (min_lr !== undefined && min_lr_rate !== undefined) return "give either min_lr or min_lr_rate";
  return min_lr !== undefined && min_lr > learning_rate
    ? `min_lr ${min_lr} is above trainer.learning_rate ${learning_rate}; lower it`
    : undefined;
}

/** How the rate falls, or backwards rises, in warmup_stable_decay: 1 at 0, 0 at 1. */
const FALLS = {
  linear: (x: number) => 1 - x,
  cosine: (x: number, num_cycles = 0.5) => wave(num_cycles, x),
  "1-sqrt": (x: number) => 1 - Math.sqrt(x),
};
const falls = z.enum(Object.keys(FALLS) as [keyof typeof FALLS, ...(keyof typeof FALLS)[]]);

const constant = schedule({ kwargs: none, after: () => 1 });

export const SCHEDULES = {
  linear: schedule({ kwargs: none, after: (place) => 1 - progress(place) }),
  cosine: schedule({
    kwargs: z.object({ num_cycles }),
    after: (place, { num_cycles }) => wave(num_cycles, progress(place)),
  }),
  cosine_with_restarts: schedule({
    kwargs: z.object({ num_cycles: z.number().positive().default(1) }),
    after: (place, { num_cycles }) => wave(0.5, (num_cycles * progress(place)) % 1),
  }),
  polynomial: schedule({
    kwargs: z.object({ lr_end: z.number().nonnegative().default(1e-7), power: z.number().positive().default(1) }),
    after: (place, { lr_end, power }) => above(lr_end / place.learning_rate, (1 - progress(place)) ** power),
    conflict: ({ lr_end }, { learning_rate }) =>
      lr_end < learning_rate
        ? undefined
        : `lr_end ${lr_end} is not below trainer.learning_rate ${learning_rate}; lower it`,
  }),
  constant,
  constant_with_warmup: constant,
  inverse_sqrt: schedule({
    kwargs: z.object({ timescale: z.number().positive().optional() }),
    after({ done, warmup }, { timescale = warmup || 10_000 }) {
      return 1 / Math.sqrt((done - warmup + timescale) / timescale);
    },
  }),
  cosine_with_min_lr: schedule({
    kwargs: MinLr,
    after: (place, kwargs) => above(leastOf(kwargs, place), wave(kwargs.num_cycles, progress(place))),
    conflict: minLrConflict,
  }),
  /** The one that is the same as in transformers from the first step on: there, too, it begins with a step of the warm-up. */
  cosine_warmup_with_min_lr: schedule({
    kwargs: MinLr.extend({ warmup_lr_rate: share.optional() }),
    warmup: ({ done, warmup }, { warmup_lr_rate: first }) =>
      first === undefined ? (done + 1) / warmup : above(first, done / Math.max(1, warmup - 1)),
    after: (place, kwargs) =>
      above(leastOf(kwargs, place), wave(kwargs.num_cycles, progress({ ...place, done: place.done + 1 }))),
    conflict: minLrConflict,
  }),
  warmup_stable_decay: schedule({
    kwargs: z.object({
      num_decay_steps: z.int({ error: "give the number of steps at the end over which the rate falls" }).positive(),
      num_stable_steps: z.int().nonnegative().optional(),
      warmup_type: falls.default("linear"),
      decay_type: falls.default("cosine"),
      min_lr_ratio: share.default(0),
      num_cycles,
    }),
    warmup: ({ done, warmup }, { warmup_type, min_lr_ratio }) =>
      above(min_lr_ratio, FALLS[warmup_type](1 - (done + 1) / warmup)),
    after({ done, steps, warmup }, kwargs) {
      const { num_decay_steps, num_stable_steps = steps - warmup - num_decay_steps, min_lr_ratio: least } = kwargs;
      const decayed = done - warmup - num_stable_steps;
      if (decayed < 0) return 1;
      if (decayed >= num_decay_steps) return least;
      return above(least, FALLS[kwargs.decay_type](decayed / num_decay_steps, kwargs.num_cycles));
    },
  }),
} satisfies Record<string, Schedule>;
export type ScheduleName = keyof typeof SCHEDULES;
