/** @file The model's card: what the student is, learned from, scores and runs in, with the hub's front matter. */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { componentOf } from "../core/component.ts";
import { readText } from "../core/reading.ts";
import { markdownTable } from "../core/table.ts";
import { loadTokenizer } from "../data/tokenizer.ts";
import { type Measurement, percent } from "../evaluation/report.ts";
import type { Exported, ExporterComponent } from "../exporters/exporter.ts";
import * as exporters from "../exporters/index.ts";
import { isHubReference, parseHubReference } from "../hub/reference.ts";
import { readConfig } from "../models/load.ts";
import { evaluationsOf, type Recipe } from "../recipe/recipe.ts";
import type { Manifest } from "../recipe/stages.ts";
import { baseName } from "../student/base-name.ts";
import { measurementsIn } from "./measurements.ts";
import { type Context, placeOf } from "./stages/context.ts";

/** Stands for where the model will lie, until that is known. */
export const REPOSITORY = "OWNER/NAME";

/** The card of a run's student; `pinned` is the recipe with the hub's commits. */
export function modelCard(context: Context, pinned: Recipe, { stages }: Manifest): string {
  const { recipe } = context;
  const base = baseOf(context);
  const files = (stages.export?.result?.files ?? []) as Exported[];
  const measured = measurementsIn(evaluationsOf(recipe), stages);
  const { title = recipe.name, description } = recipe.card;
  const datasets = datasetsOf(pinned);
  const front = {
    ...(base?.name ? { base_model: base.name, base_model_relation: "finetune" } : {}),
    license: recipe.card.license ?? base?.license,
    language: recipe.card.language ?? base?.language,
    ...(datasets.length > 0 ? { datasets } : {}),
    library_name: "transformers",
    pipeline_tag: "text-generation",
    tags: [
      "knowledge-distillation",
      ...(files.some(({ name }) => name.startsWith("onnx")) ? ["transformers.js", "onnx"] : []),
      ...(files.some(({ path }) => path.endsWith(".gguf")) ? ["gguf"] : []),
    ],
  };
  return [
    frontMatter(front),
    `# ${title}`,
    ...(description ? [description] : []),
    [...facts(context, pinned, base?.name, front.license), ...roundings(files)]
      .map(([what, text]) => `- **${what}**: ${text}`)
      .join("\n"),
    ...(measured.length > 0 ? ["## Evaluation", ...measured.map(evaluation)] : []),
    ...promptFormat(context),
    "## How to run",
    ...usages(files),
    `transformers, in Python:\n\n\`\`\`py\nfrom transformers import pipeline\ngenerator = pipeline("text-generation", "${REPOSITORY}")\nprint(generator([{"role": "user", "content": "…"}], max_new_tokens=512))\n\`\`\``,
  ]
    .join("\n\n")
    .concat("\n");
}

/** JSON is YAML, so no text in it can become something else. */
const frontMatter = (keys: Record<string, unknown>): string =>
  `---\n${Object.entries(keys)
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key}: ${JSON.stringify(value)}`]))
    .join("\n")}\n---`;

type Base = { name: string | undefined; license: string | undefined; language: string[] | undefined };

/** The model that the student was before, by its name on the hub where it has one, and what its own card says. */
function baseOf({ recipe: { student }, hub }: Context): Base | undefined {
  if (!("path" in student)) return undefined;
  const config = existsSync(join(student.path, "config.json")) ? readConfig(student.path) : {};
  const found = baseName(student.path, config, hub);
  const path = join(student.path, "README.md");
  const front = existsSync(path) ? (/^---\n([\s\S]*?)\n---/.exec(readText(path, "The base's card"))?.[1] ?? "") : "";
  const one = (key: string) => new RegExp(`^${key}: *["']?([\\w.-]+)["']? *$`, "m").exec(front)?.[1];
  const list = /^language:\s*\n((?:- .+\n?)+)/m.exec(`${front}\n`)?.[1]?.match(/[\w-]+$/gm);
  const language = one("language");
  return {
    name: /^[\w.-]+\/[\w.-]+$/.test(found) && found !== student.path ? found : undefined,
    license: one("license"),
    language: language ? [language] : (list ?? undefined),
  };
}

/** By what the files of few bits were rounded, where that is an importance matrix. */
function roundings(files: readonly Exported[]): [string, string][] {
  const matrices = [...new Set(files.flatMap(({ importance_matrix }) => importance_matrix ?? []))];
  return matrices.map((matrix) => {
    const names = files.filter(({ importance_matrix }) => importance_matrix === matrix).map(({ name }) => name);
    return ["importance matrix", `${names.join(", ")}: rounded by one of ${matrix}`];
  });
}

function datasetsOf(recipe: Recipe): string[] {
  const paths: unknown[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === "string" && value.startsWith("hf:datasets/")) paths.push(value);
    else if (value && typeof value === "object") Object.values(value).forEach(collect);
  };
  collect([recipe.dataset, recipe.sampling?.prompts, recipe.selection.mix]);
  return [...new Set(paths.map((path) => parseHubReference(path as string).name))];
}

function facts({ recipe, folder }: Context, pinned: Recipe, base: string | undefined, license: string | undefined) {
  const { teacher, sampling, trainer } = recipe;
  const named = (pinned.teacher as { path?: string; model?: string } | undefined) ?? {};
  const called = named.path ? (isHubReference(named.path) ? named.path : basename(named.path)) : named.model;
  const { student } = recipe;
  const origin = base ?? ("path" in student ? basename(student.path) : "a new model with random weights");
  const parameters = readConfig(placeOf({ folder }, "student"));
  const all: [string, string][] = [
    ["base", origin],
    [
      "architecture",
      `${parameters.model_type}, ${parameters.num_hidden_layers} layers of width ${parameters.hidden_size}`,
    ],
    ...(teacher
      ? [
          [
            "teacher",
            `${called ?? teacher.type}${sampling ? `, ${sampling.num_generations} answers of each prompt at temperature ${sampling.temperature}` : ""}`,
          ] as [string, string],
        ]
      : []),
    ["training", trainer.type],
    ["licence", license ?? "that of the base, which is not known here: look it up before you pass the model on"],
  ];
  return all;
}

const evaluation = ({ name, models }: Measurement): string =>
  `${name === undefined ? "" : `${name}:\n\n`}${markdownTable(
    ["model", "pass@1", "95 % interval", "over base", "cons@k"],
    models.map(({ name, pass_at_1, pass_at_1_ci95, gain, cons_at_k }) => [
      name,
      percent(pass_at_1),
      pass_at_1_ci95.map(percent).join(" – "),
      gain ? `${points(gain.pass_at_1)} (${gain.ci95.map(points).join(" – ")})` : "",
      percent(cons_at_k),
    ]),
  )}\n\n${models[0]!.problems} problems, ${models[0]!.k} answer${models[0]!.k === 1 ? "" : "s"} to each; pass@1 is their mean with Wilson's interval over problems.`;

const points = (difference: number) => `${difference < 0 ? "−" : "+"}${Math.abs(100 * difference).toFixed(1)}`;

/** A question as the model was trained to read it. */
function promptFormat(context: Context): string[] {
  const tokenizer = loadTokenizer(placeOf(context, "student"));
  if (tokenizer.template === undefined)
    return ["## Prompt format", "None: a prompt stands as it is, and its answer behind it."];
  const text = tokenizer.render([{ role: "user", content: "QUESTION" }], { generate: true });
  const stops = tokenizer.stops.map((id) => `\`${tokenizer.token(id)}\``).join(" or ");
  return [
    "## Prompt format",
    `The chat template writes this, and the answer behind it ends with ${stops}.`,
    `\`\`\`\`text\n${text}\n\`\`\`\``,
  ];
}

function usages(files: readonly Exported[]): string[] {
  return Object.entries(exporters as Record<string, ExporterComponent>).flatMap(([type]) => {
    const own = files.filter(({ name }) => name.startsWith(`${type}-`));
    return own.length > 0
      ? [componentOf(exporters as Record<string, ExporterComponent>, type, "exporter").usage(own, REPOSITORY)]
      : [];
  });
}
