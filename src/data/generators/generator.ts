import type { z } from "zod";
import type { Component } from "../../core/component.ts";

/** A problem with a worked solution, made by a program. */
export type Problem = { prompt: string; completion: string; answer: string };

export type Split = "train" | "test";

/** Problems of one split, in an order fixed by the seed, without end. The splits share no prompt. */
export type ProblemGenerator = (split: Split, seed: number) => Iterable<Problem>;

export const defineGenerator = <Options extends z.ZodObject>(generator: Component<Options, ProblemGenerator>) =>
  generator;
