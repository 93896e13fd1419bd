/** @file The panels of a run's metrics: one for each question that is asked of a training. */

import { type Chart, chart } from "../../core/chart.ts";
import { chartsOf, type Metric, type Panel } from "../../trainers/curves.ts";

/** Metrics by name, whatever trainer logged them. */
const PANELS: readonly Panel[] = [
  {
    title: "loss",
    lines: { loss: "training", cross_entropy: "cross-entropy", forward_kl: "forward KL", eval_loss: "validation" },
  },
  {
    title: "reward",
    lines: { reward: "of the step", "rewards/accuracy": "accuracy", "eval/reward": "measured beside" },
  },
  {
    title: "tokens of a completion",
    lines: { "completions/mean_length": "mean", "eval/completions/mean_length": "measured beside" },
  },
  { title: "completions that were cut", lines: { "completions/clipped_ratio": "share" } },
  { title: "KL to the reference", lines: { kl: "kl" } },
  { title: "entropy", lines: { entropy: "of a token" } },
  { title: "norm of the gradient", lines: { grad_norm: "before clipping" } },
  { title: "learning rate", lines: { learning_rate: "rate" } },
  { title: "tokens a second", lines: { tokens_per_s: "training" } },
];

/** What was logged, as charts. */
export const metricCharts = (metrics: readonly Metric[]): Chart[] => chartsOf(metrics, PANELS);

/** Pixels of a picture that stays readable on a phone. */
const NARROW = 420;

/** Charts side by side, each a picture of its own; large ones where they have many lines. */
export const pictures = (charts: readonly Chart[], axis: string, size: "small" | "large" = "small"): string =>
  charts.length === 0
    ? ""
    : `<div class="charts ${size}">${charts.map((one) => `<figure>${chart([one], axis, NARROW)}</figure>`).join("\n")}</div>`;
