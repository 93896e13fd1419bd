/** @file The models that were measured, with intervals as dots and lines, and how exports compare with the weights. */

import { escaped } from "../../core/html.ts";
import type { ModelReport } from "../../evaluation/evaluate.ts";
import { formatBytes, furtherRules, mean, passAt, percent } from "../../evaluation/report.ts";
import type { ParityReport } from "../../exporters/parity.ts";

/** A table of models: pass@1 drawn over 0 to 100 %, with its interval. */
export function modelTable(models: readonly (ModelReport & { run?: string })[]): string {
  if (models.length === 0) return "";
  const rules = furtherRules(models);
  const several = models.some(({ run }) => run !== undefined);
  const over = models.find(({ gain }) => gain)?.gain?.over ?? "base";
  const samples = models.some(({ k }) => k > 1);
  const header = [...(several ? ["run"] : []), "model", "pass@1", "95 % interval, 0 … 100 %", `over ${over}`];
  header.push(...(samples ? [`pass@${models[0]!.k}`, "cons@k"] : []), ...rules);
  header.push("cut", "unparsed", "tokens", "size", "tokens/s");
  const rows = models.map((model) => [
    ...(several ? [escaped(model.run ?? "")] : []),
    escaped(model.name),
    `${percent(model.pass_at_1)} <small>${model.pass_at_1_ci95.map(share).join(" – ")}</small>`,
    dot(model.pass_at_1, model.pass_at_1_ci95),
    model.gain ? `${points(model.gain.pass_at_1)} <small>${model.gain.ci95.map(points).join(" – ")}</small>` : "",
    ...(samples ? [passAt(model), percent(model.cons_at_k)] : []),
    ...rules.map((rule) => mean(model.rewards?.[rule])),
    percent(model.truncated),
    percent(model.unparsed),
    model.mean_tokens.toFixed(0),
    model.bytes > 0 ? formatBytes(model.bytes) : "",
    count(model.tokens_per_s),
  ]);
  return table(header, rows, several ? 2 : 1);
}

/** Each exported file beside the trained weights. */
export function exportTable(
  exported: readonly { name: string; path: string; bytes: number }[],
  parity: readonly ParityReport[],
): string {
  if (exported.length === 0) return "";
  const header = ["file", "size", "prompts the same", "first difference", "mean KL", "largest KL", "same first choice"];
  const rows = exported.map(({ name, path, bytes }) => {
    const report = parity.find((one) => one.name === name);
    return [
      `<span title="${escaped(path)}">${escaped(name)}</span>`,
      formatBytes(bytes),
      ...(report
        ? [
            `${report.identical_prompts} of ${report.prompts}`,
            report.first_divergence === null ? "none" : `token ${report.first_divergence}`,
            report.mean_kl.toExponential(1),
            report.max_kl.toExponential(1),
            percent(report.top1_agreement),
          ]
        : ["not compared", "", "", "", ""]),
    ];
  });
  return table(header, rows);
}

/** Cells are HTML; the first `named` columns are words. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], named = 1): string {
  const cells = (row: readonly string[], tag: string) =>
    row.map((cell, i) => `<${tag}${i < named ? ' class="word"' : ""}>${cell}</${tag}>`).join("");
  const head = cells(header.map(escaped), "th");
  return `<div class="wide"><table><tr>${head}</tr>${rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("\n")}</table></div>`;
}

/** A share as a dot, its interval as a line. */
function dot(share: number, [low, high]: readonly [number, number]): string {
  const at = (value: number) => (2 + 136 * Math.min(1, Math.max(0, value))).toFixed(1);
  return `<svg class="dot" viewBox="0 0 140 16" width="140" height="16" role="img" aria-label="${percent(share)}, ${percent(low)} to ${percent(high)}"><line x1="2" x2="138" y1="8" y2="8" class="axis"/>${[0, 0.25, 0.5, 0.75, 1].map((tick) => `<line x1="${at(tick)}" x2="${at(tick)}" y1="5" y2="11" class="axis"/>`).join("")}<line x1="${at(low)}" x2="${at(high)}" y1="8" y2="8" class="interval"/><circle cx="${at(share)}" cy="8" r="4"/></svg>`;
}

const share = (one: number) => (100 * one).toFixed(1);
const points = (difference: number) => `${difference < 0 ? "−" : "+"}${Math.abs(100 * difference).toFixed(1)}`;
const count = (n: number) => Math.round(n).toLocaleString("en-US");
