/** @file Accuracy against tokens, of searches. */

import { type Chart, chart } from "../core/chart.ts";
import type { Line } from "../search/search.ts";
import { mean, wilson95 } from "./intervals.ts";

export type Curve = {
  label: string;
  /** At each width of the search the mean tokens of a problem, and the share of problems that come out right. */
  points: { n: number; tokens: number; accuracy: number; ci95: [low: number, high: number] }[];
};

export const curvesOf = (lines: readonly Line[]): Curve[] =>
  lines.map(({ label, points }) => ({
    label,
    points: points.map(({ n, outcomes }) => {
      const right = outcomes.map((outcome) => outcome.right);
      const tokens = mean(outcomes.map((outcome) => outcome.tokens));
      return { n, tokens, accuracy: mean(right), ci95: wilson95(right) };
    }),
  }));

/** The curves of models, a panel for each model. */
export const curveCharts = (curves: Readonly<Record<string, readonly Curve[]>>): Chart[] =>
  Object.entries(curves).map(([model, own]) => ({
    title: `${model}: share of problems that are right`,
    zoomed: true,
    lines: own.map(({ label, points }) => ({
      label,
      points: points.map(({ tokens, accuracy }) => [tokens, accuracy] as const),
    })),
  }));

/** What their axis counts. */
export const CURVE_AXIS = "tokens a problem";

/** The curves of models as a picture. */
export const curvesPicture = (curves: Readonly<Record<string, readonly Curve[]>>): string =>
  chart(curveCharts(curves), CURVE_AXIS);
