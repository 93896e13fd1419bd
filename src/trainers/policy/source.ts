/** @file What a student is reinforced with: groups of its own completions, judged, each token with its advantage. */

import { z } from "zod";
import { DistillError } from "../../core/errors.ts";
import { deriveSeed, seededRandom } from "../../core/random.ts";
import { inMemory } from "../../data/example-store.ts";
import type { Rollout } from "../../data/rollouts.ts";
import { openScorer, type Scorer } from "../../generation/logprobs.ts";
import type { Model } from "../../models/model.ts";
import type { PolicyColumn } from "../../nn/policy.ts";
import type { Panel } from "../curves.ts";
import { policyOf } from "../precision.ts";
import { inRows, openPolicy, promptsOf, segmentOf } from "../rollouts.ts";
import type { Source, Step } from "../source.ts";
import { supervisedIn } from "../supervised.ts";
import type { Materials } from "../trainer.ts";
import { average, tokenShares } from "./advantages.ts";
import { importance, openChoice, samplerMetrics } from "./backend.ts";
import { openBaseline, rewardsOf, type Targets } from "./baseline.ts";
import { lengthMetrics, rewardMetrics } from "./metrics.ts";
import { type PolicyBatch, policyOptions } from "./objective.ts";
import type { GrpoOptions } from "./options.ts";
import { samplesOf } from "./samples.ts";
import { openWatch } from "./signal.ts";
import { VALUE_HEAD } from "./value-head.ts";

/** What is trained on of one generation: parts of its completions, each with its targets; none where nothing is known of it. */
type Generation = {
  number: number;
  drawn: Rollout[];
  targets: (Targets | undefined)[];
  parts: number[][];
  metrics: Record<string, number>;
};

/** More than this, on average, between the sampler's log-probabilities and the trainer's is a fault. */
const MISMATCH = 1e-3;

const State = z.object({ moving: z.json(), watch: z.json(), backend: z.boolean().nullable().default(null) });

/** Where the completions that say most of a step are to be read. */
const SAMPLES = "samples.md";

export async function policySource(
  options: GrpoOptions,
  materials: Materials,
  reference: Model | undefined,
): Promise<Source<PolicyBatch>> {
  const { seed, prompts_per_step, num_generations, max_completion_length, steps_per_generation } = options;
  const { device, model, folder, evaluated } = materials;
  const { prompts, rollouts, shape } = await openPolicy(options, materials);
  const updates = steps_per_generation * options.num_iterations;
  const generations = Math.ceil((prompts.length * options.num_train_epochs) / prompts_per_step);
  const steps = options.max_steps ?? generations * updates;
  const { on_policy, level } = policyOptions(options);
  const scoring = { max_length: options.max_length, source: "The student" };
  const scorers: Scorer[] = [];
  const scorer = (of: Model, value?: typeof VALUE_HEAD) => {
    const opened = openScorer(device, of, { ...scoring, value });
    scorers.push(opened);
    return opened;
  };
  const valued = options.baseline === "value";
  const { backend } = materials;
  const choice = backend && openChoice(backend, rollouts, options);
  const asked = valued || (level === "sequence" && !on_policy) || backend !== undefined;
  const own = asked
    ? scorer(await policyOf(device, model, options.precision), valued ? VALUE_HEAD : undefined)
    : undefined;
  const other = reference && scorer(reference);

  const watch = openWatch(options);
  let current: Generation | undefined;
  const baseline = openBaseline(options);

  async function generation(number: number): Promise<Generation | undefined> {
    if (current?.number === number) return current;
    const chosen = promptsOf(prompts, number, prompts_per_step, seed);
    if (choice && !(await choice.made(chosen))) return undefined;
    const by = choice?.chosen();
    const settings = { temperature: 1, max_completion_length, num_generations, policy: number * updates, by };
    const found = await rollouts.draw(number + 1, chosen, settings);
    if (!found) return undefined;
    const { rollouts: drawn, known } = found;
    const start = performance.now();
    if (!known && by)
      for (const [i, { logprobs }] of (await own!.score(drawn.map(textOf))).entries())
        drawn[i]!.logprobs = [...logprobs];
    if (!known && other)
      for (const [i, { logprobs }] of (await other.score(drawn.map(textOf))).entries())
        drawn[i]!.reference_logprobs = [...logprobs];
    if (!known && valued)
      for (const [i, { values }] of (await own!.score(drawn.map(textOf))).entries()) drawn[i]!.values = [...values!];
    const scored = (performance.now() - start) / 1000;
    const targets = baseline.targets(number, drawn, rewardsOf(drawn));
    for (const [i, one] of drawn.entries()) one.advantage = average(targets[i]?.advantages ?? []);
    rollouts.keep(found);
    const said = watch.generation(
      number,
      drawn,
      targets.flatMap((target) => target?.advantages ?? []),
    );
    if (said) throw new DistillError(said);
    const order = seededRandom(deriveSeed(seed, "parts", number)).shuffled(drawn.map((_, i) => i));
    const size = Math.ceil(order.length / steps_per_generation);
    const parts = Array.from({ length: steps_per_generation }, (_, i) => order.slice(i * size, (i + 1) * size));
    const { sampling, judging } = found.seconds;
    const metrics = {
      ...rewardMetrics(drawn, num_generations),
      ...lengthMetrics(drawn),
      ...samplerMetrics(drawn),
      num_tokens: rollouts.sampled(number + 1),
      "seconds/sampling": sampling,
      "seconds/judging": judging,
      "seconds/scoring": scored,
    };
    if (number % options.logging_steps === 0) folder.writeFile(SAMPLES, samplesOf(number, drawn));
    current = { number, drawn, targets, parts, metrics };
    return current;
  }

  async function stepOf(made: Generation, part: readonly number[], first: boolean): Promise<Step<PolicyBatch>> {
    const { drawn, targets, parts } = made;
    const counts = (i: number) => !(options.mask_truncated_completions && drawn[i]!.finish_reason === "length");
    const lengths = part.map((i) => (counts(i) ? drawn[i]!.token_ids.length : 0));
    const all = parts.flat().filter(counts);
    const sampled = all.reduce((sum, i) => sum + drawn[i]!.token_ids.length, 0) / parts.length;
    const shares = tokenShares(lengths, options.loss_type, max_completion_length, sampled);
    const teaches = ({ advantages }: Targets) => valued || options.beta > 0 || advantages.some((x) => x !== 0);
    const live = part.flatMap((i, k) =>
      shares[k]! > 0 && targets[i] && teaches(targets[i]) ? [{ ...drawn[i]!, ...targets[i], share: shares[k]! }] : [],
    );
    const changes = level === "sequence" ? await sequenceChanges(live, first) : [];
    const segments = inMemory(live.map(segmentOf));
    const batches = inRows(segments, options, shape).map(({ batch, numbers }): PolicyBatch => {
      const each = (of: (one: (typeof live)[number], n: number) => ArrayLike<number> | number) =>
        Float32Array.from(
          numbers.flatMap((n) => {
            const given = of(live[n]!, n);
            return live[n]!.token_ids.map((_, t) => (typeof given === "number" ? given : given[t]!));
          }),
        );
      const columns: Partial<Record<PolicyColumn, Float32Array>> = {
        advantages: each(({ advantages }) => advantages),
        old: each(({ logprobs }) => logprobs),
        shares: each(({ share, logprobs, sampler_logprobs }) =>
          sampler_logprobs ? logprobs.map((x, t) => share * importance(x, sampler_logprobs[t]!)) : share,
        ),
        ...(reference ? { reference: each(({ reference_logprobs }) => reference_logprobs!) } : {}),
        ...(level === "sequence"
          ? { change: each((_, n) => changes[n]!.change), k3: each((_, n) => changes[n]!.k3) }
          : {}),
      };
      const value = valued ? { returns: each(({ returns }) => returns!), values: each(({ values }) => values!) } : {};
      return { ...batch, ...columns, ...value };
    });
    return {
      batches,
      tokens: segments.lengths.reduce((sum, length) => sum + length, 0),
      supervised: supervisedIn(batches),
      rows: part.map((i) => i + 1),
      metrics: first ? made.metrics : {},
    };
  }

  /** Of each completion, how far its log-probabilities have moved since it was drawn, and k3 to the reference, on average. */
  async function sequenceChanges(live: readonly Rollout[], first: boolean): Promise<{ change: number; k3: number }[]> {
    const now = first ? live : await own!.score(live.map(textOf));
    return live.map(({ logprobs, reference_logprobs }, i) => {
      const current = [...now[i]!.logprobs];
      const k3 = (reference_logprobs ?? current).map((x, t) => Math.exp(x - current[t]!) - (x - current[t]!) - 1);
      return { change: average(current.map((x, t) => x - logprobs[t]!)), k3: average(k3) };
    });
  }

  return {
    shape,
    steps,
    unit: "completions",
    async step(step) {
      const made = await generation(Math.floor(step / updates));
      if (!made) return undefined;
      const update = step % updates;
      return stepOf(made, made.parts[update % steps_per_generation]!, update === 0);
    },
    observe(step, { logprob_mismatch = 0, entropy }) {
      if (step % updates === 0 && logprob_mismatch > MISMATCH)
        throw new DistillError(
          `The sampler's log-probabilities differ from the trainer's by ${logprob_mismatch.toExponential(1)} on average, and by at most ${MISMATCH} they should. Set trainer.precision to fp32.`,
        );
      const said = entropy === undefined ? undefined : watch.update(entropy);
      if (said) throw new DistillError(said);
    },
    ...(evaluated
      ? {
          evaluation: {
            due: (done: number) => done % options.eval_steps === 0 || done === steps,
            best: options.load_best_model_at_end,
            async measure() {
              const drawn = await rollouts.measure(evaluated, {
                temperature: options.eval_temperature,
                max_completion_length,
                num_generations: options.eval_num_generations,
              });
              if (!drawn) return undefined;
              const metrics = { ...rewardMetrics(drawn, options.eval_num_generations), ...lengthMetrics(drawn) };
              const named = Object.entries(metrics).map(([name, value]) => [`eval/${name}`, value]);
              return { score: metrics.reward!, metrics: Object.fromEntries(named) };
            },
            describe: (score: number) => score.toFixed(3),
          },
        }
      : {}),
    curves: CURVES,
    describe: ({ reward, "completions/mean_length": length }) =>
      reward === undefined ? "" : `reward ${reward.toFixed(3)} · length ${length!.toFixed(0)}`,
    state: {
      save: () => ({ moving: baseline.save(), watch: watch.save(), backend: choice?.save() ?? null }),
      restore(saved) {
        const state = State.parse(saved);
        baseline.restore(state.moving);
        choice?.restore(state.backend);
        watch.restore(state.watch);
      },
    },
    sampled: () => rollouts.sampled(),
    async close() {
      await rollouts.close();
      for (const opened of scorers) await opened.close();
    },
  };
}

const CURVES: Panel[] = [
  {
    title: "reward",
    lines: {
      reward: "completions of the step",
      "rewards/accuracy": "accuracy",
      "eval/reward": "on the problems that it is measured on",
    },
  },
  { title: "tokens of a completion", lines: { "completions/mean_length": "mean" } },
];

const textOf = ({ prompt_token_ids: prompt, token_ids: completion }: Rollout) => ({ prompt, completion });
