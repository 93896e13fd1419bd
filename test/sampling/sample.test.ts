import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readPrompts } from "../../src/data/prompts.ts";
import type { Trace } from "../../src/data/traces.ts";
import { createRewards, RewardSpecs } from "../../src/rewards/create.ts";
import type { WeightedReward } from "../../src/rewards/judge.ts";
import { traceRows } from "../../src/sampling/drawn.ts";
import { openTraceLedger } from "../../src/sampling/ledger.ts";
import { answersOf, SamplerOptions, wantedOf } from "../../src/sampling/options.ts";
import { sample } from "../../src/sampling/sample.ts";
import { llama_cpp } from "../../src/teachers/llama_cpp.ts";
import type { Teacher } from "../../src/teachers/teacher.ts";
import { scratch } from "../support/students.ts";

const folder = scratch();
const prompts = await readPrompts({ path: "data/stories/train.jsonl", limit: 6 }, "train");
const options = SamplerOptions.parse({
  num_generations: 4,
  max_completion_length: 120,
  temperature: 1.3,
  top_p: 1,
  seed: 5,
});
let teacher: Teacher;
before(async () => {
  const path = "data/models/stories-teacher-q8_0.gguf";
  teacher = await llama_cpp.create(llama_cpp.options.parse({ path, sequences: 16, context_size: 256, gpu: false }));
});
after(() => teacher.close());

/** What is drawn until it is `most` answers, or all. */
const drawn = async (
  name: string,
  changes: Partial<SamplerOptions>,
  most = Number.POSITIVE_INFINITY,
): Promise<Trace[]> => {
  const controller = new AbortController();
  const stopped: Teacher = {
    ...teacher,
    async *generate(...args) {
      for await (const finished of teacher.generate(...args)) {
        if (--most === 0) controller.abort();
        yield finished;
      }
    },
  };
  const rewards = await createRewards(RewardSpecs.parse([{ type: "accuracy", profile: "strict" }]));
  const changed = { ...options, ...changes };
  const ledger = placeIn(join(folder, name));
  await sample({ teacher: stopped, prompts, rewards, options: changed, ledger, signal: controller.signal });
  const wanted = wantedOf(prompts, changed);
  const opened = (await openTraceLedger(ledger, rewards, answersOf(wanted)))!;
  try {
    return [...traceRows(opened, wanted)];
  } finally {
    opened.close();
  }
};
const placeIn = (place: string) => ({
  draws: { folder: join(place, "samples"), key: "draws" },
  verdicts: { folder: join(place, "verdicts"), key: "verdicts" },
  discard: (lost: string) => rmSync(lost, { recursive: true }),
});
const keys = (traces: readonly Trace[]) => traces.map(({ prompt_id, sample }) => `${prompt_id} ${sample}`).sort();

test("no more is drawn of a prompt once enough were accepted, and what is drawn is the same as without the limit", async () => {
  const all = await drawn("all", {});
  assert.equal(all.length, prompts.length * 4);
  const limited = await drawn("limited", { max_accepted: 1 });
  const accepted = (traces: readonly Trace[], id: string, before: number) =>
    traces.filter(({ prompt_id, sample, accepted }) => prompt_id === id && sample < before && accepted).length;
  const expected = all.filter(({ prompt_id, sample }) => accepted(all, prompt_id, sample) < 1);
  assert.ok(expected.length < all.length && expected.length > prompts.length);
  assert.deepEqual(keys(limited), keys(expected));
  const texts = new Map(all.map(({ prompt_id, sample, completion }) => [`${prompt_id} ${sample}`, completion]));
  for (const { prompt_id, sample, completion } of limited)
    assert.equal(completion, texts.get(`${prompt_id} ${sample}`));
});

test("sampling with a limit that is stopped goes on to the same traces", async () => {
  const part = await drawn("stopped", { max_accepted: 1 }, 3);
  const whole = await drawn("stopped", { max_accepted: 1 });
  assert.ok(part.length > 0 && part.length < whole.length, `${part.length} of ${whole.length}`);
  assert.deepEqual(keys(whole), keys(await drawn("limited", { max_accepted: 1 })));
});

test("a rule that takes its time runs beside the teacher, and its verdicts keep to their draws", async () => {
  let [open, most, drawing] = [0, 0, true];
  let whileDrawing = 0;
  let release = () => {};
  const several = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow: WeightedReward = {
    name: "slow",
    weight: 1,
    async reward({ completion }) {
      most = Math.max(most, ++open);
      if (open > 4) release();
      await several;
      // the first answers take longest
      for (let turns = 100 - judgedSoFar++ * 4; turns > 0; turns--)
        await new Promise((resolve) => setTimeout(resolve, 1));
      open--;
      if (drawing) whileDrawing++;
      return { score: completion.length, verdict: "correct", reason: "counted" };
    },
  };
  let judgedSoFar = 0;
  const watched: Teacher = {
    ...teacher,
    async *generate(...args) {
      yield* teacher.generate(...args);
      drawing = false;
      release(); // a teacher may be slow, but not for ever
    },
  };
  const ledger = placeIn(join(folder, "slow"));
  const { accepted } = await sample({ teacher: watched, prompts, rewards: [slow], options, ledger });
  assert.equal(accepted, prompts.length * 4);
  assert.ok(most > 4, `${most} were judged at once`);
  assert.ok(whileDrawing > 0, "some verdict was there before the last answer");
  const wanted = wantedOf(prompts, options);
  const opened = (await openTraceLedger(ledger, [slow], answersOf(wanted)))!;
  try {
    for (const { completion, reward } of traceRows(opened, wanted)) assert.equal(reward, completion.length);
  } finally {
    opened.close();
  }
});
