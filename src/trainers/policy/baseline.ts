/** @file What the tokens of a generation are trained towards: rewards above a baseline. */

import { z } from "zod";
import { verdictOf } from "../../core/trace.ts";
import type { Rollout } from "../../data/rollouts.ts";
import { average, groupAdvantages, movingAdvantages } from "./advantages.ts";
import type { GrpoOptions } from "./options.ts";
import { generalisedAdvantages, whitened } from "./value-head.ts";

/** What a completion's tokens are trained towards. */
export type Targets = { advantages: readonly number[]; returns?: readonly number[] };

/** The share of the earlier mean that a moving baseline keeps. */
const DECAY = 0.9;

const Moving = z.object({ generation: z.int(), baseline: z.number(), next: z.number() });

/** The baseline that the options name, with what it keeps from one generation to the next. */
export function openBaseline(options: GrpoOptions) {
  const { num_generations, scale_rewards } = options;
  let moving = { generation: 0, baseline: 0, next: 0 };

  function groupTargets(number: number, drawn: readonly Rollout[], rewards: readonly (number | null)[]): Targets[] {
    const groups = Array.from({ length: drawn.length / num_generations }, (_, i) =>
      rewards.slice(i * num_generations, (i + 1) * num_generations),
    );
    if (moving.generation !== number) moving = { generation: number, baseline: moving.next, next: moving.next };
    const mean = average(rewards.filter((reward) => reward !== null));
    moving.next = number === 0 ? mean : DECAY * moving.baseline + (1 - DECAY) * mean;
    const baseline = number === 0 ? mean : moving.baseline;
    const advantages =
      options.baseline === "group"
        ? groupAdvantages(groups, scale_rewards)
        : movingAdvantages(groups, baseline, scale_rewards);
    return advantages.flat().map((advantage, i) => ({ advantages: drawn[i]!.token_ids.map(() => advantage) }));
  }

  function valueTargets(drawn: readonly Rollout[], rewards: readonly (number | null)[]): (Targets | undefined)[] {
    const targets = drawn.map(({ values }, i): Targets | undefined =>
      rewards[i] === null ? undefined : generalisedAdvantages(values!, rewards[i]!, options),
    );
    if (scale_rewards === "none") return targets;
    const scaled = whitened(targets.map((target) => target?.advantages ?? []));
    return targets.map((target, i) => target && { ...target, advantages: scaled[i]! });
  }

  return {
    /** Of each completion of a generation, whose number counts from 0; nothing where a value head has no reward to learn from. */
    targets: (number: number, drawn: readonly Rollout[], rewards: readonly (number | null)[]) =>
      options.baseline === "value" ? valueTargets(drawn, rewards) : groupTargets(number, drawn, rewards),
    save: () => moving,
    restore(saved: unknown) {
      moving = Moving.parse(saved);
    },
  };
}

/** The reward of each completion; null where no rule can say whether it is right, while it can of others. */
export function rewardsOf(drawn: readonly Rollout[]): (number | null)[] {
  const judged = drawn.map(({ judgement }) => judgement!);
  const told = judged.some((one) => !["unknown", "infra_error"].includes(verdictOf(one)));
  return judged.map(({ reward, judge_verdict, ...rule }) => {
    const verdict = verdictOf({ judge_verdict, ...rule });
    const failed = verdict === "infra_error" || judge_verdict === "infra_error";
    return failed || (verdict === "unknown" && told) ? null : reward;
  });
}
