/** @file What a tracker is: it follows what a run keeps in its own folder, and nothing waits for it. */

import type { z } from "zod";
import type { Component } from "../core/component.ts";

export type Metric = Record<string, number>;

/** What there is to tell of a run at a moment. */
export type Told = {
  name: string;
  /** The folder of the run. */
  path: string;
  /** Keys of the recipe and its values, in words. */
  params: Record<string, string>;
  tags: Record<string, string>;
  /** The whole log of the training that goes on or was done last. */
  metrics: readonly Metric[];
  /** Names that training: another one has another name. */
  series: string;
  /** Numbers that no step has, such as pass@1 of each model. */
  results: Record<string, number>;
  /** Small files that are worth keeping beside, by their path. */
  files: readonly string[];
  /** Whether all is done; nothing while it goes on. */
  ending?: "finished" | "stopped" | "failed";
};

export type Tracker = {
  /** Where it tells it, in words. */
  place: string;
  /**
   * Tell what is not told yet. `state` is what it remembered last time, of this process or an earlier one; what it gives
   * back is remembered, and `remember` keeps what is true on the way. Throws where it cannot now: it is asked again.
   */
  tell(told: Told, state: unknown, remember: (state: object) => void, signal: AbortSignal): Promise<object>;
};

/** Where a run keeps what is its own, and what the environment says. */
export type Place = { path: string; env: Record<string, string | undefined> };

export const defineTracker = <Options extends z.ZodObject>(
  tracker: Component<Options, (place: Place) => Tracker>,
): Component<Options, (place: Place) => Tracker> => tracker;
