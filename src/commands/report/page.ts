/** @file One page of one run or several: what was done, what came of it, and where everything comes from. */

import { join } from "node:path";
import type { Chart } from "../../core/chart.ts";
import { escaped, htmlDocument } from "../../core/html.ts";
import { reasoningOf } from "../../data/think.ts";
import { CURVE_AXIS, curveCharts } from "../../evaluation/curves.ts";
import { CURVE_COLUMNS, curveRows } from "../../evaluation/report.ts";
import { metricCharts, pictures } from "./curves.ts";
import type { Run } from "./found.ts";
import { headline } from "./headline.ts";
import { lineage, pipeline } from "./lineage.ts";
import { exportTable, modelTable, table } from "./models.ts";
import { KINDS, type Kind, rolloutFacts, type Shown, type TraceFacts, traceFacts } from "./traces.ts";

/** `refresh` is after how many seconds the page is loaded again. */
export function reportPage(runs: readonly Run[], { refresh }: { refresh?: number } = {}): string {
  const title = runs.map(({ name }) => name).join(", ");
  const several = runs.length > 1;
  const body = `<h1>${escaped(title)}</h1>
${several ? section("Compared", compared(runs)) : ""}
${runs.map((run) => `${several ? `<h2 class="run">${escaped(run.name)}</h2>` : ""}${ofRun(run)}`).join("\n")}`;
  return htmlDocument({
    title,
    css: CSS,
    body,
    ...(refresh === undefined ? {} : { head: `<meta http-equiv="refresh" content="${refresh}">\n` }),
  });
}

function ofRun(run: Run): string {
  const traces = traceFacts(join(run.path, "traces"));
  const answers = answersIn(run);
  const own = rolloutFacts(run.path);
  return [
    headline(run),
    section("Results", run.measured.map(results).join("\n")),
    section("Curves", pictures(metricCharts(run.metrics), "step")),
    section("Sampling", traces ? sampling(traces) : ""),
    section("Exports", exportTable(run.exported, run.parity)),
    section("Pipeline", pipeline(run)),
    section("Traces of the teacher", traces ? samples(traces) : ""),
    section("What the student wrote last for its own training", own ? samples(own) : ""),
    section(`Answers of ${answers?.model ?? ""}`, answers ? samples(answers.facts) : ""),
    section("Lineage", `<details><summary>Every file, by whom and from what</summary>${lineage(run)}</details>`),
  ].join("\n");
}

const section = (title: string, content: string) =>
  content && `<section><h2>${escaped(title)}</h2>${content}</section>`;

/** All models of all runs, for each set of problems. */
function compared(runs: readonly Run[]): string {
  const names = [...new Set(runs.flatMap(({ measured }) => measured.map(({ name }) => name)))];
  return names
    .map((name) => {
      const models = runs.flatMap((run) =>
        run.measured
          .filter((one) => one.name === name)
          .flatMap(({ models }) => models.map((model) => ({ ...model, run: run.name }))),
      );
      return results({ name, models });
    })
    .join("\n");
}

/** A measurement as a table, and its searches as curves. */
const results = ({ name, models, curves }: Run["measured"][number]) =>
  `${name === undefined ? "" : `<h3>${escaped(name)}</h3>`}${modelTable(models)}${
    curves
      ? `${pictures(curveCharts(curves), CURVE_AXIS, "large")}<details><summary>Each point</summary>${table(
          CURVE_COLUMNS,
          curveRows(curves).map((row) => row.map(escaped)),
        )}</details>`
      : ""
  }`;

/** Of the student, or of the last model of those that were there, in the first measurement that has it. */
function answersIn({ path, measured }: Run): { model: string; facts: TraceFacts } | undefined {
  const wanted = measured.some(({ models }) => models.some(({ name }) => name === "student"))
    ? "student"
    : measured[0]?.models.at(-1)?.name;
  const one = measured.find(({ models }) => models.some(({ name }) => name === wanted));
  const facts = one && traceFacts(join(path, "evaluation", one.name ?? "", "traces", wanted!));
  return facts && { model: wanted === "student" ? "the student" : wanted!, facts };
}

function sampling({ traces, accepted, verdicts, shares, length, lengths }: TraceFacts): string {
  const charts: Chart[] = [
    { title: "share of traces", lines: shares },
    { title: "tokens of a completion", lines: [{ label: "mean of each part", points: length }] },
  ];
  const most = Math.max(...lengths.map(({ count }) => count), 1);
  const bars = lengths.map(({ from, to, count, accepted }) => [
    `${from}–${to}`,
    number(count),
    `<span class="bar" style="width:${((100 * accepted) / most).toFixed(1)}%"></span><span class="bar other" style="width:${((100 * (count - accepted)) / most).toFixed(1)}%"></span>`,
  ]);
  const told = Object.entries(verdicts)
    .sort(([, a], [, b]) => b - a)
    .map(
      ([verdict, n]) =>
        `<span class="tag ${verdict === "correct" ? "good" : "bad"}">${escaped(verdict)} ${number(n)}</span>`,
    );
  return `<p>${number(traces)} traces, ${number(accepted)} accepted. ${told.join(" ")}</p>
${pictures(length.length > 1 ? charts : [], "trace")}
${table(["tokens", "traces", "accepted, and not"], bars)}`;
}

function samples({ samples }: TraceFacts): string {
  return KINDS.filter((kind) => samples[kind].length > 0)
    .map((kind) => `<h3>${CALLED[kind]}</h3>${samples[kind].map(sample).join("\n")}`)
    .join("\n");
}

const CALLED: Record<Kind, string> = { correct: "correct", incorrect: "wrong", truncated: "cut", whole: "not judged" };

/** A completion, its reasoning folded. */
function sample({ prompt_id, sample, prompt, answer, completion, reason, tokens }: Shown): string {
  const reasoning = reasoningOf(completion);
  const rest = reasoning === null ? completion : completion.slice(completion.indexOf("</think>") + "</think>".length);
  const folded =
    reasoning === null ? "" : `<details><summary>Reasoning</summary><pre>${escaped(reasoning)}</pre></details>`;
  return `<article><p class="dim">${escaped(prompt_id)}, sample ${sample} · ${number(tokens)} tokens${reason ? ` · ${escaped(reason)}` : ""}${answer === null ? "" : ` · reference ${escaped(answer)}`}</p>
<pre class="prompt">${escaped(prompt)}</pre>${folded}<pre>${escaped(rest.trim())}</pre></article>`;
}

const number = (n: number) => n.toLocaleString("en-US");

const CSS = `
body { max-width: 72rem; } h1 { font-size: 1.5rem; margin: 0 0 1rem; } h2 { font-size: 1.1rem; } h3 { font-size: 1rem; }
h2.run { font-size: 1.3rem; border-bottom: 2px solid var(--line); margin-top: 3rem; }
section { margin: 2rem 0; } .dim { color: var(--dim); font-size: .85rem; } small { color: var(--dim); font-size: .8em; }
.boxes { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: 1rem; }
.box { background: var(--panel); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; }
.box h3 { margin: 0; color: var(--dim); font-size: .8rem; font-weight: 500; text-transform: uppercase; letter-spacing: .04em; }
.box .big { font-size: 1.5rem; font-weight: 600; line-height: 1.25; margin: .2rem 0 .4rem; overflow-wrap: anywhere; }
.box ul { margin: 0; padding: 0; list-style: none; font-size: .9rem; } .box li { margin: .15rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--dim); font-weight: 500; } .word { text-align: left; } td:last-child:has(.bar) { width: 40%; text-align: left; }
.bar { display: inline-block; height: .75em; background: var(--green); } .bar.other { background: var(--amber); opacity: .6; }
.dot { vertical-align: middle; } .axis { stroke: var(--line); } .interval { stroke: var(--blue); stroke-width: 3; } .dot circle { fill: var(--blue); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: .5rem; }
.charts.large { grid-template-columns: repeat(auto-fill, minmax(min(32rem, 100%), 1fr)); margin: 1rem 0; }
figure { margin: 0; } .chart { width: 100%; height: auto; }
.tag { border: 1px solid var(--line); border-radius: 1rem; padding: 0 .6rem; font-size: .85rem; white-space: nowrap; }
.good { color: var(--green); } .bad { color: var(--amber); }
article { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .9rem; margin: .6rem 0; } article p { margin: 0 0 .4rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, monospace; margin: .3rem 0; }
.prompt { border-left: 3px solid var(--line); padding-left: .6rem; color: var(--dim); } summary { cursor: pointer; color: var(--dim); }
code { font: 12px ui-monospace, monospace; }`;
