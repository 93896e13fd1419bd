/** @file The table at the end of a run, for a terminal and as Markdown. */

import { formatDuration } from "../core/progress.ts";
import { alignedTable, markdownTable } from "../core/table.ts";
import type { ModelReport } from "./evaluate.ts";

export type RunSummary = {
  name: string;
  models: readonly ModelReport[];
  /** Traces drawn and kept, where the run sampled any. */
  traces?: { drawn: number; accepted: number; rows: number };
  /** What a teacher that is paid for cost, and what was foreseen. */
  spent?: readonly string[];
  /** Tokens that the teacher wrote, and that training read, padding left out. */
  tokens: { sampled?: number | undefined; trained?: number | undefined };
  /** Seconds by stage. */
  seconds: Record<string, number>;
  /** What lies where. */
  places: Record<string, string>;
};

/** The rules that any of the models was measured by beside correctness. */
export const furtherRules = (models: readonly ModelReport[]): string[] => [
  ...new Set(models.flatMap(({ rewards = {} }) => Object.keys(rewards))),
];

const headerOf = (models: readonly ModelReport[]) => [
  "model",
  "pass@1",
  "95 % interval",
  "over base",
  "cons@k",
  ...furtherRules(models),
  "truncated",
  "unparsed",
  "tokens",
  "size",
  "tokens/s",
];

function rows(models: readonly ModelReport[]): string[][] {
  return models.map((model) => [
    model.name,
    percent(model.pass_at_1),
    model.pass_at_1_ci95.map(percent).join(" – "),
    model.gain ? `${points(model.gain.pass_at_1)} (${model.gain.ci95.map(points).join(" – ")})` : "",
    percent(model.cons_at_k),
    ...furtherRules(models).map((rule) => mean(model.rewards?.[rule])),
    percent(model.truncated),
    percent(model.unparsed),
    model.mean_tokens.toFixed(0),
    model.bytes > 0 ? formatBytes(model.bytes) : "",
    model.tokens_per_s.toFixed(0),
  ]);
}

/** A mean of scores: 0.97 */
export const mean = (score: number | undefined) => (score === undefined ? "" : score.toFixed(3));

/** 0.123 → "12.3 %" */
export const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** A difference of shares in points: +1.2 */
const points = (difference: number) => `${difference < 0 ? "−" : "+"}${Math.abs(100 * difference).toFixed(1)}`;

/** 1234567 → "1.2 MB" */
export function formatBytes(bytes: number): string {
  const [size, unit] = bytes >= 1e9 ? [bytes / 1e9, "GB"] : bytes >= 1e6 ? [bytes / 1e6, "MB"] : [bytes / 1e3, "kB"];
  return `${size.toFixed(1)} ${unit}`;
}

/** The summary as plain text, columns aligned. */
export function terminalReport(summary: RunSummary): string {
  const lines = alignedTable(headerOf(summary.models), rows(summary.models));
  lines.splice(1, 0, "─".repeat(lines[0]!.length));
  return [...lines, "", ...facts(summary).map(([what, text]) => `${`${what}:`.padEnd(12)} ${text}`)].join("\n");
}

/** The summary as Markdown. */
export const markdownReport = (summary: RunSummary): string =>
  `# ${summary.name}\n\n${markdownTable(headerOf(summary.models), rows(summary.models))}\n\n${facts(summary)
    .map(([what, text]) => `- **${what}**: ${text}`)
    .join("\n")}\n`;

function facts({ models, traces, spent = [], tokens, seconds, places }: RunSummary): [string, string][] {
  const [first] = models;
  const asked: [string, string][] = first
    ? [["problems", `${first.problems}, ${first.k} sample${first.k === 1 ? "" : "s"} of each`]]
    : [];
  const drawn: [string, string][] = traces
    ? [
        [
          "traces",
          `${traces.drawn} drawn, ${traces.accepted} accepted (${percent(traces.accepted / Math.max(1, traces.drawn))}), ${traces.rows} trained on`,
        ],
      ]
    : [];
  const answered = models.reduce((sum, { mean_tokens, problems, k }) => sum + mean_tokens * problems * k, 0);
  const used = Object.entries({ ...tokens, answered }).flatMap(([what, count]) =>
    count ? `${Math.round(count).toLocaleString("en-GB")} ${what}` : [],
  );
  const times = Object.entries(seconds).map(([stage, s]) => `${stage} ${formatDuration(s)}`);
  const paid = spent.map((line): [string, string] => ["teacher", line]);
  return [
    ...asked,
    ...drawn,
    ...paid,
    ["tokens", used.join(", ")],
    ["time", times.join(", ")],
    ...Object.entries(places),
  ];
}
