/**
 * @file node-llama-cpp's native batches. Its public scheduler is made of these calls; made directly, every sequence goes
 * into every batch, a sampler lives as long as its completion, and a full vocabulary is drawn from without being sorted.
 */

import type { Llama, LlamaContext, LlamaModel } from "node-llama-cpp";
import { DistillError } from "../../core/errors.ts";

export type Sampler = {
  applyConfig(config: { temperature: number; seed: number; topK?: number; topP?: number; minP?: number }): void;
  dispose(): void;
};

/** Which logits to give with a token: of these, the largest, the smallest, the token's own, so many of the best. */
export type LogitFilter = [tokens: number[], largest: boolean, smallest: boolean, own: boolean, best: number];

export type Batches = {
  initBatch(tokens: number): void;
  /** Indexes of the logits of the tokens that `logits` points at. */
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logits: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(index: number, sampler: Sampler): Promise<number>;
  sampleToken(
    index: number,
    sampler: Sampler,
    probabilities: false,
    confidence: false,
    logits: LogitFilter,
    total: true,
  ): Promise<[token: number, undefined, undefined, logits: number[], total: number]>;
  /** Of the whole vocabulary: a token, its logit, the next token … */
  sampleToken(
    index: number,
    sampler: Sampler,
    probabilities: false,
    confidence: false,
    logits: true,
    total: false,
  ): Promise<[token: number, undefined, undefined, logits: number[]]>;
  /** `total` is Σ exp(logit - the largest) over the tokens that the sampler has left. */
  sampleToken(
    index: number,
    sampler: Sampler,
    probabilities: false,
    confidence: false,
    logits: false,
    total: true,
  ): Promise<[token: number, undefined, undefined, undefined, total: number]>;
  removeTokenCellsFromSequence(sequence: number, from: number, to: number): boolean;
  disposeSequence(sequence: number): void;
  getSequenceKvCacheMinPosition(sequence: number): number;
  copySequenceStateFromOtherSequence(to: number, from: number): Promise<number>;
};

export type Addon = { batches: Batches; newSampler(): Sampler };

const CALLS = [
  "initBatch",
  "addToBatch",
  "decodeBatch",
  "sampleToken",
  "removeTokenCellsFromSequence",
  "disposeSequence",
  "getSequenceKvCacheMinPosition",
  "copySequenceStateFromOtherSequence",
] as const satisfies (keyof Batches)[];

export function addonOf(llama: Llama, model: LlamaModel, context: LlamaContext): Addon {
  const batches = (context as unknown as { _ctx?: Batches })._ctx;
  const bindings = (llama as unknown as { _bindings?: { AddonSampler?: new (model: unknown) => Sampler } })._bindings;
  const NewSampler = bindings?.AddonSampler;
  const native = (model as unknown as { _model?: unknown })._model;
  const missing = CALLS.filter((call) => typeof batches?.[call] !== "function");
  if (!batches || !NewSampler || !native || missing.length > 0)
    throw new DistillError(
      `This version of node-llama-cpp has no native ${missing.join(", ") || "sampler"}. Expected 3.22.1, which package.json asks for.`,
    );
  return { batches, newSampler: () => new NewSampler(native) };
}
