import assert from "node:assert/strict";
import { test } from "node:test";
import type { Judgement } from "../../../src/core/trace.ts";
import type { Rollout } from "../../../src/data/rollouts.ts";
import { samplesOf } from "../../../src/trainers/policy/samples.ts";
import { openWatch } from "../../../src/trainers/policy/signal.ts";

function rollout(judgement: Partial<Judgement>, changes: Partial<Rollout> = {}): Rollout {
  const all: Judgement = {
    ...{ rewards: {}, reward: 0, verdict: "incorrect", extracted: null, reason: "accuracy: wrong", accepted: false },
    ...judgement,
  };
  return {
    ...{ step: 1, prompt_id: "a", sample: 0, prompt: "1+1?", answer: "2", prompt_token_ids: [1, 2] },
    ...{ completion: "two", token_ids: [3, 4], logprobs: [-1, -1], finish_reason: "stop", seed: 1, temperature: 1 },
    ...{ max_completion_length: 8, policy: 0, judgement: all },
    ...changes,
  };
}

const rewarded = (...rewards: number[]) => rewards.map((reward) => rollout({ reward }));

/** What a watch says of generations whose completions have these rewards, until it says something. */
function watched(generations: number[][], settings = { patience: 3, collapse: 0.5 }) {
  const watch = openWatch(settings);
  for (const [i, rewards] of generations.entries()) {
    const mean = rewards.reduce((a, b) => a + b, 0) / rewards.length;
    const said = watch.generation(
      i,
      rewarded(...rewards),
      rewards.map((reward) => reward - mean),
    );
    if (said) return { at: i, said };
  }
  return undefined;
}

const repeated = (rewards: number[], count: number) => Array.from({ length: count }, () => rewards);

test("a start without a group whose rewards differ is no signal, and one that differs is", () => {
  assert.match(watched(repeated([0, 0], 4))!.said, /In the first 3 generations .* nothing to reinforce/);
  assert.equal(watched([[0, 0], [0, 1], ...repeated([0, 0], 9)], { patience: 3, collapse: 1 }), undefined);
});

test("a reward that is lost stops the run, and one that moves, or begins high, does not", () => {
  const won = repeated([0, 1, 1, 1], 15);
  assert.equal(watched([...won, ...repeated([0, 1, 0, 1], 30)]), undefined);
  const lost = watched([...won, ...repeated([0, 0, 0, 1], 30)])!;
  assert.match(
    lost.said,
    /The reward has collapsed: its mean over 10 generations was 0\.750 at best and is 0\.3\d\d now/,
  );
  assert.ok(lost.at > 15 && lost.at < 25);
  assert.equal(watched([...won, ...repeated([0, 0, 0, 1], 30)], { patience: 3, collapse: 1 }), undefined);
  // rewards below 0 are measured from the lowest there was
  assert.equal(watched([...repeated([-1, 1], 12), ...repeated([-1, 0.5], 20)]), undefined);
  assert.ok(watched([...repeated([-1, 1], 12), ...repeated([-1, -0.9], 20)]));
});

test("entropy that is gone stops a run that has not learned everything", () => {
  for (const [reward, stops] of [
    [0.5, true],
    [1, false],
  ] as const) {
    const watch = openWatch({ patience: 3, collapse: 0.5 });
    const said: (string | undefined)[] = [];
    for (let i = 0; i < 12; i++) {
      watch.generation(i, rewarded(reward, i === 0 ? 1 : reward), [1, -1]);
      said.push(watch.update(1e-5));
    }
    assert.equal(
      said.some((one) => /The entropy has collapsed: 1\.0e-5 nats/.test(one ?? "")),
      stops,
    );
  }
});

test("a rule that is won while nothing is right is warned of once", () => {
  const told: string[] = [];
  const watch = openWatch({ patience: 99, collapse: 1 }, (sentence) => told.push(sentence));
  const pleasing = (verdict: Judgement["verdict"]) => [
    rollout({ rewards: { accuracy: 0, format: 1 }, reward: 0.2, verdict }),
  ];
  for (let i = 0; i < 30; i++) watch.generation(i, pleasing("incorrect"), [0]);
  assert.equal(told.length, 1);
  assert.match(told[0]!, /The reward format is won, and no completion of the last 10 generations was right/);
  const others = openWatch({ patience: 99, collapse: 1 }, (sentence) => told.push(sentence));
  for (let i = 0; i < 30; i++) others.generation(i, pleasing(i % 9 === 0 ? "correct" : "incorrect"), [0]);
  // where no rule judges what is right, none is won at its cost
  const free = openWatch({ patience: 99, collapse: 1 }, (sentence) => told.push(sentence));
  for (let i = 0; i < 30; i++) free.generation(i, pleasing("unknown"), [0]);
  assert.equal(told.length, 1);
});

test("a watch goes on from what it saved, and looks at a generation once", () => {
  const one = openWatch({ patience: 3, collapse: 0.5 });
  const other = openWatch({ patience: 3, collapse: 0.5 });
  for (let i = 0; i < 2; i++) one.generation(i, rewarded(0, 0), [0, 0]);
  other.restore(JSON.parse(JSON.stringify(one.save())));
  assert.equal(other.generation(1, rewarded(0, 0), [0, 0]), undefined);
  assert.match(other.generation(2, rewarded(0, 0), [0, 0])!, /In the first 3 generations/);
});

test("samples show the best, the worst and the most surprising completion, whatever is in them", () => {
  const drawn = [
    rollout(
      { reward: 1, verdict: "correct", rewards: { accuracy: 1 }, reason: "accuracy: 2" },
      { completion: "```\nbest\n```" },
    ),
    rollout({ reward: -1, rewards: { accuracy: null } }, { completion: "worst", finish_reason: "length" }),
    rollout({ reward: null, verdict: "infra_error" }, { completion: "odd", logprobs: [-9, -9] }),
  ];
  const text = samplesOf(6, drawn);
  assert.match(text, /# Generation 7\n\n3 completions, with a mean reward of 0\.000/);
  assert.match(
    text,
    /The best\n\n[\s\S]* {4}```\n {4}best\n {4}```\n\nreward 1 \(accuracy 1\); correct: accuracy: 2; 2 tokens, 1\.000 nats each/,
  );
  assert.match(text, /The worst\n\n[\s\S]* {4}worst\n\nreward -1 \(accuracy unknown\)[^\n]*cut at its limit/);
  assert.match(text, /The most surprising\n\n[\s\S]* {4}odd\n\nreward unknown/);
});
