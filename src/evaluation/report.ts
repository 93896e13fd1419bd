/** @file The table at the end of a run, for a terminal and as Markdown. */

import { formatDuration } from "../core/progress.ts";
import { alignedTable, markdownTable } from "../core/table.ts";
import type { Curve } from "./curves.ts";
import type { ModelReport } from "./evaluate.ts";
import type { Gain } from "./paired.ts";

/** What models do on some problems. */
export type Measurement = {
  /** Where there are several. */
  name?: string | undefined;
  models: readonly ModelReport[];
  /** Of searches, by model. */
  curves?: Readonly<Record<string, readonly Curve[]>> | undefined;
};

export type RunSummary = {
  name: string;
  measurements: readonly Measurement[];
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
  `over ${models.find(({ gain }) => gain)?.gain?.over ?? "base"}`,
  ...(severalSamples(models) ? [`pass@${models[0]!.k}`] : []),
  "cons@k",
  ...furtherRules(models),
  "truncated",
  "unparsed",
  ...(someUnjudged(models) ? ["unjudged"] : []),
  "tokens",
  "s/problem",
  "size",
  "tokens/s",
];

/** Whether pass@k says more than pass@1; earlier reports do not have it. */
const severalSamples = (models: readonly ModelReport[]) =>
  models.some(({ k, pass_at_k }) => k > 1 && pass_at_k?.some((one) => one.k === k));
const someUnjudged = (models: readonly ModelReport[]) => models.some(({ unjudged = 0 }) => unjudged > 0);

function rows(models: readonly ModelReport[]): string[][] {
  return models.map((model) => [
    model.name,
    percent(model.pass_at_1),
    model.pass_at_1_ci95.map(percent).join(" – "),
    model.gain ? gainText(model.gain) : "",
    ...(severalSamples(models) ? [passAt(model)] : []),
    percent(model.cons_at_k),
    ...furtherRules(models).map((rule) => mean(model.rewards?.[rule])),
    percent(model.truncated),
    percent(model.unparsed),
    ...(someUnjudged(models) ? [percent(model.unjudged ?? 0)] : []),
    model.mean_tokens.toFixed(0),
    model.seconds_per_problem === undefined ? "" : model.seconds_per_problem.toPrecision(2),
    model.bytes > 0 ? formatBytes(model.bytes) : "",
    model.tokens_per_s.toFixed(0),
  ]);
}

/** +12.0 (+5.1 – +18.9), p 0.001 */
export const gainText = ({ pass_at_1, ci95, p_value }: Gain): string =>
  `${points(pass_at_1)} (${ci95.map(points).join(" – ")})${p_value === undefined ? "" : `, p ${chance(p_value)}`}`;

/** 0.0312 → "0.031" */
const chance = (p: number) => (p < 0.0001 ? "< 0.0001" : p.toPrecision(2));

/** pass@k for all samples; earlier reports do not have it. */
export const passAt = ({ k, pass_at_k = [] }: ModelReport): string => {
  const all = pass_at_k.find((one) => one.k === k);
  return all ? percent(all.pass) : "";
};

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
  const tables = summary.measurements.flatMap(({ name, models, curves }) => {
    const lines = alignedTable(headerOf(models), rows(models));
    lines.splice(1, 0, "─".repeat(lines[0]!.length));
    const searched = curves ? ["", ...alignedTable(CURVE_COLUMNS, curveRows(curves))] : [];
    return [...(name === undefined ? [] : [name]), ...lines, ...searched, ""];
  });
  return [...tables, ...facts(summary).map(([what, text]) => `${`${what}:`.padEnd(12)} ${text}`)].join("\n");
}

/** The summary as Markdown. */
export function markdownReport(summary: RunSummary): string {
  const tables = summary.measurements.map(({ name, models, curves }) =>
    [
      ...(name === undefined ? [] : [`## ${name}`]),
      markdownTable(headerOf(models), rows(models)),
      ...(curves
        ? [markdownTable(CURVE_COLUMNS, curveRows(curves)), `![accuracy against tokens](${name ?? "."}/curves.svg)`]
        : []),
      ...versionsOf(models),
    ].join("\n\n"),
  );
  const said = facts(summary).map(([what, text]) => `- **${what}**: ${text}`);
  return `# ${summary.name}\n\n${tables.join("\n\n")}\n\n${said.join("\n")}\n`;
}

/** The curves of searches as a table: its header, and its rows. */
export const CURVE_COLUMNS = ["search", "n", "tokens a problem", "right", "95 % interval"];
export const curveRows = (curves: NonNullable<Measurement["curves"]>): string[][] =>
  Object.entries(curves).flatMap(([model, own]) =>
    own.flatMap(({ label, points: all }) =>
      all.map(({ n, tokens, accuracy, ci95 }) => [
        `${model}, ${label}`,
        String(n),
        tokens.toFixed(0),
        percent(accuracy),
        ci95.map(percent).join(" – "),
      ]),
    ),
  );

/** What the numbers hang on, where reports say it. */
const versionsOf = (models: readonly ModelReport[]): string[] => {
  const known = models.flatMap(({ versions }) => versions ?? []);
  if (known.length === 0) return [];
  const all = (of: "grader" | "rules" | "data" | "rendered") => [...new Set(known.map((one) => one[of]))].join(", ");
  return [
    `Graded by ${all("grader")} (rules ${all("rules")}); problems ${all("data")}; as the models were given them ${all("rendered")}.`,
  ];
};

function facts({ measurements, traces, spent = [], tokens, seconds, places }: RunSummary): [string, string][] {
  const models = measurements.flatMap((one) => one.models);
  const asked = measurements.flatMap(({ name, models: [first] }): [string, string][] =>
    first
      ? [
          [
            "problems",
            `${first.problems}${name === undefined ? "" : ` of ${name}`}, ${first.k} sample${first.k === 1 ? "" : "s"} of each`,
          ],
        ]
      : [],
  );
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
