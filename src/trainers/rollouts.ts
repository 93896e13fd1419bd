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
import { openSampler } from "../generation/sampler.ts";
import type { Model } from "../models/model.ts";
import type { Device } from "../runtime/device.ts";
import { chunksOf } from "./epochs.ts";
import type { TrainerOptions } from "./options.ts";
import { policyOf } from "./precision.ts";
import type { Materials } from "./trainer.ts";

/** A prompt, and its text as the student reads it; `number` is its place among all prompts, from 1. */
export type PromptTokens = Prompt & { number: number; tokens: readonly number[] };

/**
 * The student as it answers between steps, and the sizes of the micro-batches that its answers make. Rollouts are kept under
 * the run's key.
 */
export async function openPolicy(options: TrainerOptions, materials: Materials) {
  const { device, model, prompts, asked, judge, folder, fingerprint, signal } = materials;
  const { max_length, per_device_train_batch_size: rows, precision, seed } = options;
  if (!prompts || !asked) throw new DistillError("A trainer whose student answers prompts was given none.");
  const long = prompts.find(({ tokens }) => tokens.length >= max_length);
  if (long)
    throw new DistillError(
      `Prompt "${long.id}" has ${long.tokens.length} tokens, which leaves no room for an answer in trainer.max_length ${max_length}. Raise it, or leave the prompt out.`,
    );
  const heads = device.target.fewKernels ? model.num_heads : undefined;
  const rollouts = openRollouts({
    device,
    model: await policyOf(device, model, precision),
    ...asked,
    context_size: max_length,
    place: { folder: folder.place(`rollouts/${fingerprint}`), key: fingerprint },
    seed,
    judge,
    signal,
  });
  return { prompts, rollouts, shape: batchShape(rows, max_length, model.head.shape[0] as number, heads) };
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
  /** What rules say of the samples of one prompt. */
  judge?: ((samples: readonly Rollout[]) => Promise<Judgement[]>) | undefined;
  signal?: AbortSignal | undefined;
};

type DrawSettings = { temperature: number; max_completion_length: number; num_generations?: number };

/**
 * Draws for each step. What an earlier process drew at a step that is done again is taken as it is: the weights are the same
 * then, and so would be the draws.
 */
function openRollouts(options: RolloutOptions) {
  const { device, model, stops, seed, signal } = options;
  const sampler = openSampler(device, model, { stops, source: "The student" });
  const ledger = openLedger(options.place.folder, { key: options.place.key });
  const kept = new Map<number, Rollout[]>();
  let sampled = 0;
  for (const { table } of ledger.tables())
    for (const row of rowsIn<Rollout>(table)) {
      kept.set(row.step, [...(kept.get(row.step) ?? []), rolloutOf(row)]);
      sampled += row.token_ids.length;
    }

  return {
    /** The samples of each prompt in turn, or nothing where the signal ended it. */
    async draw(
      step: number,
      prompts: readonly PromptTokens[],
      { temperature, max_completion_length, num_generations = 1 }: DrawSettings,
    ): Promise<Rollout[] | undefined> {
      const known = kept.get(step);
      kept.delete(step);
      if (known?.length === prompts.length * num_generations) return known;
      const requests = prompts.flatMap((prompt) =>
        Array.from({ length: num_generations }, (_, sample) => ({
          prompt,
          sample,
          tokens: prompt.tokens,
          seed: deriveSeed(seed, "rollout", step, prompt.id, sample),
        })),
      );
      const drawn: Rollout[] = [];
      const settings = { temperature, max_completion_length, context_size: options.context_size, signal };
      for await (const { index, tokens, logprobs, finish_reason } of sampler.generate(requests, settings)) {
        const { prompt: asked, sample, seed, tokens: prompt_token_ids } = requests[index]!;
        const { id: prompt_id, prompt, answer = null } = asked;
        const completion = options.decode(finish_reason === "stop" ? tokens.slice(0, -1) : tokens);
        const from = { step, prompt_id, sample, prompt, answer, prompt_token_ids, seed, temperature };
        drawn[index] = { ...from, completion, token_ids: tokens, logprobs, finish_reason };
      }
      if (drawn.filter(Boolean).length < requests.length) return undefined;
      if (options.judge)
        for (let first = 0; first < drawn.length; first += num_generations) {
          const group = drawn.slice(first, first + num_generations);
          for (const [i, judgement] of (await options.judge(group)).entries()) group[i]!.judgement = judgement;
        }
      ledger.append(rolloutsTable(drawn));
      for (const { token_ids } of drawn) sampled += token_ids.length;
      return drawn;
    },
    /** Tokens drawn so far. */
    sampled: () => sampled,
    async close() {
      ledger.close();
      await sampler.close();
    },
  };
}

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
