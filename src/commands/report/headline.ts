/** @file What was distilled, how well, and what it cost: what is read first. */

import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { escaped } from "../../core/html.ts";
import { formatDuration } from "../../core/progress.ts";
import type { Spent } from "../../data/journal.ts";
import { formatBytes, percent } from "../../evaluation/report.ts";
import type { Run } from "./found.ts";

type Named = { path?: string; model?: string; type?: string; adapter?: string; config?: { model_type?: string } };

/** A run in three boxes. */
export function headline(run: Run): string {
  return `<div class="boxes">${[what(run), how(run), cost(run)]
    .map(([title, big, lines]) => {
      const told = lines.filter(Boolean).map((line) => `<li>${escaped(line)}</li>`);
      return `<div class="box"><h3>${escaped(title)}</h3><p class="big">${escaped(big)}</p><ul>${told.join("")}</ul></div>`;
    })
    .join("\n")}</div>`;
}

type Box = [title: string, big: string, lines: string[]];

function what({ manifest: { recipe, stages }, measured }: Run): Box {
  const { student, teacher, trainer, dataset, lora } = recipe as Record<"student" | "teacher" | "trainer", Named> & {
    dataset?: { path?: unknown };
    lora?: { r?: number };
  };
  if (!student) return ["What was measured", modelsIn(measured).join(", ") || "nothing yet", []]; // models that were there
  const from = teacher ? nameOf(teacher) : dataset ? `rows of ${shortened(dataset.path ?? "a program")}` : undefined;
  const judged = stages.judge?.result as { drawn?: number; accepted?: number } | undefined;
  const rows = stages.select?.result?.rows;
  const { examples, prompts, steps } = (stages.train?.result ?? {}) as Record<string, number | undefined>;
  return [
    from === undefined ? "What was trained" : "What was distilled",
    from === undefined ? nameOf(student) : `${from} → ${nameOf(student)}`,
    [
      `Trained ${from === undefined ? "on its own answers " : ""}by ${trainer?.type ?? "sft"}${lora ? `, an adapter of rank ${lora.r ?? 16}` : ""}${steps ? `, ${count(steps)} steps` : ""}.`,
      judged?.drawn
        ? `${count(judged.drawn)} traces drawn, ${count(judged.accepted ?? 0)} accepted (${percent((judged.accepted ?? 0) / judged.drawn)})${rows === undefined ? "" : `, ${count(Number(rows))} trained on`}.`
        : "",
      examples && examples !== rows ? `${count(examples)} examples.` : prompts ? `${count(prompts)} prompts.` : "",
    ],
  ];
}

const modelsIn = (measured: Run["measured"]) => [
  ...new Set(measured.flatMap(({ models }) => models.map(({ name }) => name))),
];

function how({ measured, parity }: Run): Box {
  const [{ name, models } = { models: [] }, ...others] = measured;
  const of = (name: string) => models.find((model) => model.name === name);
  const [base, teacher] = [of("base"), of("teacher")];
  const student = of("student") ?? models.toSorted((a, b) => b.pass_at_1 - a.pass_at_1)[0];
  if (!student) return ["How well", "not measured", [same(parity)]];
  const [low, high] = student.pass_at_1_ci95;
  return [
    "How well",
    `${base && base !== student ? `${percent(base.pass_at_1)} → ` : ""}${percent(student.pass_at_1)}`,
    [
      `pass@1 of ${student.name === "student" ? "the student" : student.name} on ${count(student.problems)} ${name === undefined ? "unseen problems" : `problems of ${name}`}, 95 % interval ${percent(low)} – ${percent(high)}.`,
      teacher && teacher !== student ? `The teacher: ${percent(teacher.pass_at_1)}.` : "",
      student.truncated > 0 ? `${percent(student.truncated)} of its answers were cut.` : "",
      ...(of("student") ? [] : models.filter((one) => one !== student)).map(
        (one) => `${one.name}: ${percent(one.pass_at_1)}.`,
      ),
      ...others.map((one) => onOthers(one, student.name)),
      same(parity),
    ],
  ];
}

/** How many exports continue all prompts as the weights do, and how many prompts the others. */
function same(parity: Run["parity"]): string {
  if (parity.length === 0) return "";
  const others = parity.filter(({ identical_prompts, prompts }) => identical_prompts < prompts);
  const told = others.map(({ name, identical_prompts }) => `, ${name} ${identical_prompts} of them`);
  return `${parity.length - others.length} of ${parity.length} exports continue all ${parity[0]!.prompts} prompts as the weights do${told.join("")}.`;
}

/** A further measurement in a line. */
function onOthers({ name, models }: Run["measured"][number], wanted: string): string {
  const [model, base] = [wanted, "base"].map((own) => models.find((model) => model.name === own));
  if (!model) return "";
  return `On ${count(model.problems)} of ${name}: ${base && base !== model ? `${percent(base.pass_at_1)} → ` : ""}${percent(model.pass_at_1)}.`;
}

function cost({ manifest: { stages }, exported, path }: Run): Box {
  const seconds = Object.values(stages).reduce((sum, { seconds = 0 }) => sum + seconds, 0);
  const {
    tokens: sampled,
    spent,
    price,
  } = (stages.sample?.result ?? {}) as {
    tokens?: number;
    spent?: Spent;
    price?: { currency: string };
  };
  const { tokens, tokens_sampled, device, actual } = (stages.train?.result ?? {}) as {
    tokens?: number;
    tokens_sampled?: number;
    device?: string;
    actual?: { peak_rss_mb?: number };
  };
  const read = [
    sampled ? `${count(sampled)} by the teacher` : "",
    tokens_sampled ? `${count(tokens_sampled)} by the student` : "",
    tokens ? `${count(tokens)} trained on` : "",
  ].filter(Boolean);
  const money = spent && price ? `${Number(spent.cost.toPrecision(3))} ${price.currency} paid to the teacher.` : "";
  const sizes = [...exported]
    .sort((a, b) => a.bytes - b.bytes)
    .map(({ name, bytes }) => `${formatBytes(bytes)} (${name})`);
  const exports = sizes.length > 2 ? `exports ${sizes[0]} to ${sizes.at(-1)}` : sizes.join(", ");
  const weights = statSync(join(path, "student", "model.safetensors"), { throwIfNoEntry: false })?.size;
  return [
    "What it cost",
    formatDuration(seconds),
    [
      read.length > 0 ? `Tokens: ${read.join(", ")}.` : "",
      money,
      device ? `On ${device}${actual?.peak_rss_mb ? `, ${count(actual.peak_rss_mb)} MB of memory at most` : ""}.` : "",
      [weights ? `Student ${formatBytes(weights)}` : "", exports].filter(Boolean).join(", "),
    ],
  ];
}

const count = (n: number) => n.toLocaleString("en-US");

function nameOf({ path, model, type, config }: Named): string {
  if (path !== undefined) return shortened(path);
  return model ?? (config ? `a new ${config.model_type ?? "model"}` : (type ?? "a model"));
}

function shortened(path: unknown): string {
  if (typeof path !== "string") return String(path);
  if (path.startsWith("hf:")) return path.slice(3);
  const name = basename(path);
  return name === "student" ? `${basename(dirname(path))}/student` : name; // of another run
}
