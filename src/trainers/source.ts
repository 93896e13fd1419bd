/** @file Where a trainer's batches come from: known beforehand, or made between steps. */

import type { BatchShape, Batch as TokenBatch } from "../data/batch.ts";
import type { Panel } from "./curves.ts";

/** What a step trains on. */
export type Step<Batch> = {
  /** Micro-batches; a step without any changes nothing. */
  batches: readonly Batch[];
  /** Tokens in them, and how many of those are supervised. */
  tokens: number;
  supervised: number;
  /** The numbers of what they are of, from 1, as `unit` calls it. */
  rows: readonly number[];
  /** What is logged beside the objective's own scalars. */
  metrics?: Record<string, number>;
};

export type Source<Batch> = {
  /** The sizes of a micro-batch. */
  shape: BatchShape;
  steps: number;
  /** In an epoch, where there are epochs. */
  stepsPerEpoch?: number;
  /** What `rows` of a step number, in sentences: "dataset rows". */
  unit: string;
  /** What is trained on at a step, from 0; nothing where a signal ended it. The same for the same step, whatever came before. */
  step(step: number): Step<Batch> | Promise<Step<Batch> | undefined>;
  /** What a checkpoint keeps of it, as JSON, and how it goes on from there. */
  state?: { save(): unknown; restore(state: unknown): void };
  /** How the student is measured while it is trained. */
  evaluation?: {
    /** Whether it is time to, after so many steps. */
    due(done: number): boolean;
    /**
     * A score, the higher the better, and what is logged, under names that begin with eval; nothing where a signal ended it.
     * `nextTokenLoss` is the mean over a batch's supervised tokens by the weights of the moment.
     */
    measure(student: {
      nextTokenLoss(batch: TokenBatch): Promise<number>;
    }): Promise<{ score: number; metrics: Record<string, number> } | undefined>;
    /** Whether the weights with the best score become the student, rather than the last ones. */
    best: boolean;
    /** After how many measurements in turn that are no more than `threshold` above the best before them the run ends. */
    stopping?: { patience: number; threshold: number };
    /** What a score is, in sentences. */
    describe(score: number): string;
  };
  /** What came of a step, from 0, where somebody looked: throws where it says that something is wrong. */
  observe?(step: number, metrics: Record<string, number>): void;
  /** Tokens that the student has written for it, in earlier runs too. */
  sampled?(): number;
  /** Free what it holds, once there are no more steps. */
  close?(): Promise<void>;
  /** What of the metrics is drawn as curves, panel by panel. */
  curves?: readonly Panel[];
  /** How a step is described on a terminal, behind its loss. */
  describe?(metrics: Record<string, number>): string;
};
