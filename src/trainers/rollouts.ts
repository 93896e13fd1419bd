/** @file What the student answers to prompts between steps: drawn with its weights of that moment, and kept in a ledger. */

import { DistillError } from "../core/errors.ts";
import { deriveSeed, seededRandom } from "../core/random.ts";
import type { Judgement, Prompt } from "../core/trace.ts";
import { type Batch, type BatchShape, batchShape, layOut, type Segment } from "../data/batch.ts";
import type { Segments } from "../data/example-store.ts";
import { openLedger } from "../data/ledger.ts";
import { rowsOf, unpacked } from "../data/packing.ts";
import { type Rollout, rolloutOf, rolloutsTable } from "../data/rollouts.ts";
import { rowsIn } from "../data/traces.ts";
import type { DrawOptions } from "../generation/draw.ts";
import { type Completion, openSampler } from "../generation/sampler.ts";
import type { Model } from "../models/model.ts";
import type { Device } from "../runtime/device.ts";
import { chunksOf } from "./epochs.ts";
import type { TrainerOptions } from "./options.ts";
import { policyOf } from "./precision.ts";
import type { Materials } from "./trainer.ts";

/** A prompt, and its text as the student reads it; `number` is its place among all prompts, from 1. */
export type PromptTokens = Prompt & { number: number; text: string; tokens: readonly number[] };

/** Something that continues texts by the student's weights of the moment, and not exactly as the trainer's own sampler would. */
export type Backend = {
  name: string;
  /** Use it whether it is faster or not. */
  always: boolean;
  /** Completions in the order in which they end, at temperature 1; `logprobs` are its own, where it says them. */
  draw(
    requests: readonly { prompt: string; seed: number }[],
    options: { max_completion_length: number; signal?: AbortSignal | undefined },
  ): AsyncGenerator<Omit<Completion, "logprobs"> & { logprobs: (number | undefined)[] }>;
};

/**
 * The student as it answers between steps, and the sizes of the micro-batches that its answers make. Rollouts are kept under
 * the run's key.
 */
export async function openPolicy(options: TrainerOptions, materials: Materials) {
  const { device, model, prompts, asked, judge, folder, fingerprint, key = fingerprint, signal } = materials;
  const { max_length, per_device_train_batch_size: rows, precision, seed } = options;
  if (!prompts || !asked) throw new DistillError("A trainer whose student answers prompts was given none.");
  const long = prompts.find(({ tokens }) => tokens.length >= max_length);
  if (long)
    throw new DistillError(
      `Prompt "${long.id}" has ${long.tokens.length} tokens, which leaves no room for an answer in trainer.max_length ${max_length}. Raise it, or leave the prompt out.`,
    );
  const pieces = device.target.pieces && { heads: model.num_heads, ...device.target.pieces };
  const rollouts = openRollouts({
    device,
    model: await policyOf(device, model, precision),
    ...asked,
    context_size: max_length,
    // what a run of another length drew was drawn with other weights
    place: { folder: folder.place(`rollouts/${key}`), key },
    seed,
    judge,
    signal,
  });
  return { prompts, rollouts, shape: batchShape(rows, max_length, model.head.shape[0] as number, pieces) };
}

type RolloutOptions = {
  device: Device;
  /** The student, as it is asked. Its weights are states of the device. */
  model: Model;
  stops: readonly number[];
  decode: (ids: readonly number[]) => string;
  /** The most tokens of a prompt and what is drawn after it. */
  context_size: number;
  /** Where rollouts are kept. */
  place: { folder: string; key: string };
  seed: number;
  /** What rules say of the samples of one prompt; nothing where the signal ended it. */
  judge?: ((samples: readonly Rollout[]) => Promise<Judgement[] | undefined>) | undefined;
  signal?: AbortSignal | undefined;
};

type DrawSettings = {
  temperature: number;
  max_completion_length: number;
  num_generations?: number;
  /** Updates that the weights have seen. */
  policy: number;
  /** Who draws, where it is not the sampler on the weights where they are. */
  by?: Backend | undefined;
};

/** What was drawn: anew, or as an earlier process kept it. */
export type Drawn = { rollouts: Rollout[]; known: boolean; seconds: { sampling: number; judging: number } };

/**
 * Draws for each step. What an earlier process drew and kept for a step that is done again is taken as it is: the weights are
 * the same then, and so would be the draws.
 */
function openRollouts(options: RolloutOptions) {
  const { device, model, stops, seed, signal } = options;
  const sampler = openSampler(device, model, { stops, source: "The student" });
  const ledger = openLedger(options.place.folder, { key: options.place.key });
  const kept = new Map<number, Rollout[]>();
  const sampled = new Map<number, number>(); // tokens, by step
  const count = ({ step, token_ids }: Rollout) => sampled.set(step, (sampled.get(step) ?? 0) + token_ids.length);
  for (const { table } of ledger.tables())
    for (const row of rowsIn<Rollout>(table)) {
      kept.set(row.step, [...(kept.get(row.step) ?? []), rolloutOf(row)]);
      count(row);
    }

  /** The samples of each prompt in turn, or nothing where the signal ended it. */
  async function drawn(
    prompts: readonly PromptTokens[],
    sampling: Partial<DrawOptions> & { max_completion_length: number },
    num_generations: number,
    seedOf: (prompt: PromptTokens, sample: number) => number,
    by?: Backend,
  ) {
    const requests = prompts.flatMap((prompt) =>
      Array.from({ length: num_generations }, (_, sample) => ({
        prompt,
        sample,
        tokens: prompt.tokens,
        seed: seedOf(prompt, sample),
      })),
    );
    const completions: Continued[] = [];
    const context_size = Math.min(
      options.context_size,
      Math.max(...prompts.map(({ tokens }) => tokens.length)) + sampling.max_completion_length,
    );
    const sequences = sideBySide(model, context_size);
    const settings = { ...sampling, sequences, context_size: options.context_size, signal };
    const { max_completion_length } = sampling;
    const completed = by
      ? by.draw(
          requests.map(({ prompt, seed }) => ({ prompt: prompt.text, seed })),
          { max_completion_length, signal },
        )
      : sampler.generate(requests, settings);
    for await (const { index, tokens, logprobs, finish_reason } of completed) {
      const { prompt: asked, sample, seed, tokens: prompt_token_ids } = requests[index]!;
      const { id: prompt_id, prompt, answer = null } = asked;
      const completion = options.decode(finish_reason === "stop" ? tokens.slice(0, -1) : tokens);
      const said = logprobs.map((logprob) => (logprob === undefined ? null : Math.fround(logprob)));
      const own = by ? { logprobs: [], sampler_logprobs: said } : { logprobs: said as number[] };
      const drawn = { completion, token_ids: tokens, ...own, finish_reason };
      completions[index] = { prompt_id, sample, prompt, answer, prompt_token_ids, seed, ...drawn };
    }
    return completions.filter(Boolean).length < requests.length ? undefined : completions;
  }

  /** All groups at once: a rule may ask somebody who answers many together. Whether it was done. */
  async function judge(rollouts: readonly Rollout[], num_generations: number): Promise<boolean> {
    const { judge: ask } = options;
    if (!ask) return true;
    const groups = Array.from({ length: rollouts.length / num_generations }, (_, i) =>
      rollouts.slice(i * num_generations, (i + 1) * num_generations),
    );
    const given = await Promise.all(groups.map(ask));
    if (given.includes(undefined)) return false;
    for (const [i, judgement] of given.flatMap((some) => some!).entries()) rollouts[i]!.judgement = judgement;
    return true;
  }

  return {
    async draw(
      step: number,
      prompts: readonly PromptTokens[],
      { temperature, max_completion_length, num_generations = 1, policy, by }: DrawSettings,
    ): Promise<Drawn | undefined> {
      const known = kept.get(step);
      kept.delete(step);
      if (known?.length === prompts.length * num_generations)
        return { rollouts: known, known: true, seconds: { sampling: 0, judging: 0 } };
      const start = performance.now();
      const sampling = { temperature, max_completion_length };
      const seedOf = ({ id }: PromptTokens, sample: number) => deriveSeed(seed, "rollout", step, id, sample);
      const completions = await drawn(prompts, sampling, num_generations, seedOf, by);
      if (!completions) return undefined;
      const rollouts: Rollout[] = completions.map((one) => ({ step, ...one, ...sampling, policy }));
      const between = performance.now();
      if (!(await judge(rollouts, num_generations))) return undefined;
      const seconds = { sampling: (between - start) / 1000, judging: (performance.now() - between) / 1000 };
      return { rollouts, known: false, seconds };
    },
    /** Keep what was drawn, with what came to be known of it. */
    keep({ rollouts, known }: Drawn): void {
      if (known) return;
      ledger.append(rolloutsTable(rollouts));
      rollouts.forEach(count);
    },
    /** The same without keeping it: the seeds are the same whatever the step. */
    async measure(
      prompts: readonly PromptTokens[],
      { temperature, max_completion_length, num_generations }: Required<Omit<DrawSettings, "policy" | "by">>,
    ): Promise<Rollout[] | undefined> {
      const sampling = { temperature, max_completion_length };
      const seedOf = ({ id }: PromptTokens, sample: number) => deriveSeed(seed, "evaluation", id, sample);
      const completions = await drawn(prompts, sampling, num_generations, seedOf);
      if (!completions) return undefined;
      const rollouts: Rollout[] = completions.map((one) => ({ step: 0, ...one, ...sampling, policy: 0 }));
      return (await judge(rollouts, num_generations)) ? rollouts : undefined;
    },
    /** How many tokens a second a backend draws of these prompts, and the sampler; nothing where the signal ended it. */
    async compare(
      prompts: readonly PromptTokens[],
      { max_completion_length, num_generations }: { max_completion_length: number; num_generations: number },
      backend: Backend,
    ): Promise<{ own: number; backend: number } | undefined> {
      const rates: number[] = [];
      for (const by of [undefined, undefined, backend]) {
        const start = performance.now(); // the sampler's first time compiles it
        const sampling = { temperature: 1, max_completion_length };
        const seedOf = ({ id }: PromptTokens, sample: number) => deriveSeed(seed, "comparison", id, sample);
        const found = await drawn(prompts, sampling, num_generations, seedOf, by);
        if (!found) return undefined;
        const tokens = found.reduce((sum, { token_ids }) => sum + token_ids.length, 0);
        rates.push(tokens / ((performance.now() - start) / 1000));
      }
      return { own: rates[1]!, backend: rates[2]! };
    },
    /** Tokens drawn so far, or up to a step. */
    sampled: (until = Number.POSITIVE_INFINITY) =>
      [...sampled].reduce((sum, [step, tokens]) => (step <= until ? sum + tokens : sum), 0),
    async close() {
      ledger.close();
      await sampler.close();
    },
  };
}
/** Bytes that the caches of texts side by side may take: the more there are, the more tokens a second. */
const CACHES = 2 ** 29;
/** Texts side by side at least. */
const FEWEST = 64;

function sideBySide({ cache: { layers, num_key_value_heads, head_dim } }: Model, length: number): number {
  const bytes = 4 * 2 * layers * num_key_value_heads * head_dim * length;
  return Math.max(FEWEST, Math.floor(CACHES / bytes));
}

export type Rollouts = ReturnType<typeof openRollouts>;

type Continued = Omit<Rollout, "step" | "temperature" | "max_completion_length" | "policy">;

/** What is learned of a rollout: every token that the student wrote. */
export const segmentOf = ({ prompt_token_ids: prompt, token_ids }: Rollout): Segment => ({
  tokens: [...prompt, ...token_ids],
  supervised: [...prompt.map(() => false), ...token_ids.map(() => true)],
});

/** The prompts of a turn, `count` at a time: in each pass over all of them they come in another order. */
export function promptsOf(prompts: readonly PromptTokens[], turn: number, count: number, seed: number): PromptTokens[] {
  const chosen: PromptTokens[] = [];
  let order: { epoch: number; prompts: readonly PromptTokens[] } | undefined;
  for (let at = turn * count; at < (turn + 1) * count; at++) {
    const epoch = Math.floor(at / prompts.length);
    if (order?.epoch !== epoch)
      order = { epoch, prompts: seededRandom(deriveSeed(seed, "prompts", epoch)).shuffled(prompts) };
    chosen.push(order.prompts[at % prompts.length]!);
  }
  return chosen;
}

/** Segments in packed rows, a micro-batch at a time, with the numbers of those that lie in each, in their order. */
export function inRows(
  segments: Segments,
  options: Pick<TrainerOptions, "packing" | "max_length" | "per_device_train_batch_size">,
  shape: BatchShape,
): { batch: Batch; numbers: number[] }[] {
  return chunksOf(rowsOf(segments, options), options.per_device_train_batch_size).map((part) => ({
    batch: layOut(
      part.map((row) => unpacked(segments, row)),
      shape,
    ),
    numbers: part.flat(),
  }));
}
