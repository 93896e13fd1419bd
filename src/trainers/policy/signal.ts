/** @file Whether there is anything to reinforce, and whether what was won is being lost: reasons to stop, and a warning. */

import { z } from "zod";
import { verdictOf } from "../../core/trace.ts";
import type { Rollout } from "../../data/rollouts.ts";
import { average } from "./advantages.ts";

/** Generations whose mean is compared. */
const WINDOW = 10;
/** Less than this, in nats a token, and the student writes the same whatever it is asked to try. */
const LEAST_ENTROPY = 1e-3;
/** A share of the highest reward there was, above which little entropy is a sign of having learned. */
const MASTERED = 0.9;
/** A rule is won where its mean is above this. */
const WON = 0.8;

const State = z.object({
  /** Generations without a group whose rewards differ, from the start; null once there was one. */
  dead: z.int().nullable(),
  /** Of the last generations. */
  rewards: z.array(z.number()),
  correct: z.array(z.boolean()),
  entropies: z.array(z.number()),
  lowest: z.number().nullable(),
  highest: z.number().nullable(),
  /** The best mean of a window. */
  best: z.number().nullable(),
  warned: z.boolean(),
  /** The last generation that was looked at. */
  last: z.int(),
});
type State = z.output<typeof State>;

export type Watch = {
  /** Look at a generation, whose number counts from 0. Why the run is to stop, where it is. */
  generation(number: number, drawn: readonly Rollout[], advantages: readonly number[]): string | undefined;
  /** Look at an update's entropy, in nats a token. */
  update(entropy: number): string | undefined;
  save(): unknown;
  restore(state: unknown): void;
};

/** `tell` is given what is worth a warning. */
export function openWatch({ patience, collapse }: { patience: number; collapse: number }, tell = console.error): Watch {
  let state: State = {
    dead: 0,
    rewards: [],
    correct: [],
    entropies: [],
    lowest: null,
    highest: null,
    best: null,
    warned: false,
    last: -1,
  };
  const kept = <T>(list: readonly T[], item: T) => [...list, item].slice(-WINDOW);

  /** Rewards that are the same in every group from the start. */
  function withoutSignal(number: number, drawn: readonly Rollout[], advantages: readonly number[]): string | undefined {
    if (state.dead === null) return undefined;
    state.dead = advantages.some((advantage) => Math.abs(advantage) > 1e-6) ? null : state.dead + 1;
    if (state.dead === null || state.dead < patience) return undefined;
    const { reward, reason } = drawn[0]!.judgement!;
    const length = average(drawn.map(({ token_ids }) => token_ids.length));
    return `In the first ${number + 1} generations all completions of each prompt had the same reward (the last ones ${reward}, with ${length.toFixed(1)} tokens on average; "${reason}"), so there is nothing to reinforce. It helps to begin with a student that is right now and then, such as one that was trained on some worked examples, to ask easier prompts, or to draw more completions of each (trainer.num_generations).`;
  }

  function collapsed(rewards: readonly number[]): string | undefined {
    state.lowest = Math.min(state.lowest ?? Number.POSITIVE_INFINITY, ...rewards);
    state.highest = Math.max(state.highest ?? Number.NEGATIVE_INFINITY, ...rewards);
    state.rewards = kept(state.rewards, average(rewards));
    if (state.rewards.length < WINDOW) return undefined;
    const mean = average(state.rewards);
    state.best = Math.max(state.best ?? mean, mean);
    const [now, then] = [mean - state.lowest, state.best - state.lowest];
    if (collapse === 1 || then <= 0 || now >= (1 - collapse) * then) return undefined;
    return `The reward has collapsed: its mean over ${WINDOW} generations was ${state.best.toFixed(3)} at best and is ${mean.toFixed(3)} now (the lowest of any completion is ${state.lowest}). A lower learning_rate, fewer updates of a generation (steps_per_generation, num_iterations) or some divergence from the start (beta) usually keep it. trainer.collapse says how much may be lost.`;
  }

  /** A rule that all completions please while none is right: what is won is the rule, and no skill. */
  function warn(drawn: readonly Rollout[]): void {
    state.correct = kept(
      state.correct,
      drawn.some(({ judgement }) => verdictOf(judgement!) === "correct"),
    );
    if (state.warned || state.correct.length < WINDOW || state.correct.some(Boolean)) return;
    const judges = drawn.some(({ judgement }) => ["incorrect", "truncated"].includes(verdictOf(judgement!)));
    const names = Object.keys(drawn[0]!.judgement!.rewards);
    const won = names.find((name) => average(drawn.map(({ judgement }) => judgement!.rewards[name] ?? 0)) >= WON);
    if (!judges || won === undefined) return;
    state.warned = true;
    tell(
      `The reward ${won} is won, and no completion of the last ${WINDOW} generations was right: the student learns to please that rule and nothing else. Begin with a student that is right now and then, or leave ${won} out until it is.`,
    );
  }

  return {
    generation(number, drawn, advantages) {
      if (number <= state.last) return undefined; // a run that goes on within it
      state.last = number;
      const rewards = drawn.flatMap(({ judgement }) => judgement!.reward ?? []);
      warn(drawn);
      return withoutSignal(number, drawn, advantages) ?? (rewards.length > 0 ? collapsed(rewards) : undefined);
    },
    update(entropy) {
      state.entropies = kept(state.entropies, entropy);
      const { entropies, highest, rewards } = state;
      if (collapse === 1 || entropies.length < WINDOW || average(entropies) >= LEAST_ENTROPY) return undefined;
      if (highest === null || average(rewards) >= MASTERED * highest) return undefined;
      return `The entropy has collapsed: ${average(entropies).toExponential(1)} nats a token over ${WINDOW} updates, while the reward is ${average(rewards).toFixed(3)} of at most ${highest}. The student writes the same whatever it tries, so nothing new will be found. A lower learning_rate, a higher epsilon_high, or some divergence from the start (beta) usually keep it.`;
    },
    save: () => state,
    restore(saved) {
      state = State.parse(saved);
    },
  };
}
