import type { Rollout } from "../../data/rollouts.ts";
import { average, deviation } from "./advantages.ts";

/** What TRL logs of completions, under its names. */
export function lengthMetrics(drawn: readonly Rollout[]): Record<string, number> {
  const lengths = drawn.map(({ token_ids }) => token_ids.length);
  const ended = drawn.flatMap(({ token_ids, finish_reason }) => (finish_reason === "stop" ? token_ids.length : []));
  return {
    "completions/mean_length": average(lengths),
    "completions/min_length": Math.min(...lengths),
    "completions/max_length": Math.max(...lengths),
    "completions/mean_terminated_length": average(ended),
    "completions/clipped_ratio": average(drawn.map(({ finish_reason }) => Number(finish_reason === "length"))),
    "tokens/sampled": lengths.reduce((a, b) => a + b, 0),
  };
}

/** What it logs of rewards, of groups that lie one after the other. */
export function rewardMetrics(drawn: readonly Rollout[], num_generations: number): Record<string, number> {
  const known = (values: readonly (number | null)[]) => values.filter((value) => value !== null);
  const rewards = drawn.map(({ judgement }) => judgement!.reward);
  const spreads = Array.from({ length: drawn.length / num_generations }, (_, i) =>
    deviation(known(rewards.slice(i * num_generations, (i + 1) * num_generations))),
  );
  const names = Object.keys(drawn[0]!.judgement!.rewards);
  return {
    reward: average(known(rewards)),
    reward_std: average(spreads),
    frac_reward_zero_std: average(spreads.map((spread) => Number(spread < 1e-6))),
    // a rule that could tell of none has no mean
    ...Object.fromEntries(
      names
        .map((name) => ({ name, scores: known(drawn.map(({ judgement }) => judgement!.rewards[name] ?? null)) }))
        .filter(({ scores }) => scores.length > 0)
        .map(({ name, scores }) => [`rewards/${name}`, average(scores)]),
    ),
  };
}
