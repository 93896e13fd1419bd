/** @file The student as files for llama.cpp and transformers.js, each compared with the trained weights. */

import { join } from "node:path";
import { create } from "../../core/component.ts";
import type { Prompt } from "../../core/trace.ts";
import { loadTokenizer, type Tokenizer } from "../../data/tokenizer.ts";
import type { Exported, Source } from "../../exporters/exporter.ts";
import { compareFiles } from "../../exporters/gate.ts";
import type { ImportanceOptions } from "../../exporters/gguf/importance.ts";
import * as exporters from "../../exporters/index.ts";
import { MAX_MEAN_KL } from "../../exporters/limits.ts";
import { type ParityReport, requireParity } from "../../exporters/parity.ts";
import { evaluationsOf, type Recipe } from "../../recipe/recipe.ts";
import type { Stage } from "../../recipe/stages.ts";
import { conversationOf } from "../../sampling/draw.ts";
import { hubName } from "../../student/base-name.ts";
import { type Context, NAMES, placeOf, questions } from "./context.ts";
import { importanceFor, importanceInput } from "./importance.ts";
import { wholeStudent } from "./train.ts";

export function exportStage(context: Context): Stage {
  const { recipe } = context;
  const names = recipe.export.map(({ type }) => `${NAMES.export}/${type}`);
  return {
    name: "export",
    after: ["train"],
    inputs: () => ({ export: recipe.export.map((spec) => contentOf(context, spec)), parity: recipe.parity }),
    leaves: [...new Set(names), PARITY],
    async run({ key, folder, signal }) {
      const student = wholeStudent(context);
      const source = { ...described(context, student), importance: importanceFor(context, student, signal) };
      const exported: Exported[] = [];
      for (const [i, spec] of recipe.export.entries()) {
        const name = names[i]!;
        await folder.writeFolder(name, key, async (into) => {
          const files = await create(exporters, spec, "exporter")(source, into);
          const placed = (path: string) => join(folder.path, name, path.slice(into.length));
          exported.push(...files.map((file) => ({ ...file, path: placed(file.path) })));
        });
        if (signal.aborted) return { stopped: true, result: {} };
      }
      const asked = askedBy(context, loadTokenizer(student));
      const reports = await compareFiles(student, exported, asked, recipe.parity, signal);
      if (!reports) return { stopped: true, result: {} };
      folder.writeFile(PARITY, `${JSON.stringify(reports, null, 2)}\n`);
      for (const report of reports) {
        console.log(describe(report));
        requireParity(report, limitOf(exported.find(({ name }) => name === report.name)!, recipe.parity.max_mean_kl));
      }
      const relative = exported.map(({ path, ...rest }) => ({ ...rest, path: path.slice(folder.path.length + 1) }));
      return { result: { files: relative, parity: reports } };
    },
  };
}

/** What an export hangs on: of an importance matrix and its texts what they hold, not where they are. */
function contentOf(context: Context, spec: Recipe["export"][number]): Record<string, unknown> {
  const { importance_matrix } = spec as { importance_matrix?: ImportanceOptions };
  return importance_matrix ? { ...spec, importance_matrix: importanceInput(context, importance_matrix) } : spec;
}

/** The student with its name, and that of the model on the hub that it was trained from. */
function described(context: Context, folder: string): Source {
  const { student, name, lora } = context.recipe;
  if (!("path" in student)) return { folder, name };
  const base = hubName(student.path, context.hub);
  const adapter = lora && { folder: placeOf(context, "adapter"), base: student.path };
  return { folder, name, ...(base ? { base } : {}), ...(adapter ? { adapter } : {}) };
}

const PARITY = `${NAMES.export}/parity.json`;

const limitOf = ({ name, same_as = name }: Exported, limits: Record<string, number>) =>
  limits[name] ?? limits[same_as] ?? MAX_MEAN_KL[same_as] ?? Number.POSITIVE_INFINITY;

/** The texts of the first of the evaluation's questions, or of those sampled from. */
function askedBy({ recipe }: Context, { template, render }: Tokenizer): string[] {
  const source = evaluationsOf(recipe)[0]?.prompts ?? recipe.sampling?.prompts;
  const prompts: Prompt[] = source
    ? questions(source, "test").slice(0, recipe.parity.prompts)
    : [{ id: "line-1", prompt: "The quick brown fox jumps over the lazy dog." }];
  return prompts.map((prompt) => (template ? render(conversationOf(prompt, {}), { generate: true }) : prompt.prompt));
}

/** onnx-q8: 8 of 8 prompts continued the same; mean KL 1.2e-4, top-1 agreement 100.0 % over 512 tokens */
function describe(report: ParityReport): string {
  const { name, prompts, tokens, identical_prompts, first_divergence, mean_kl, top1_agreement } = report;
  const divergence = first_divergence === null ? "" : `, first divergence at token ${first_divergence}`;
  return `${name}: ${identical_prompts} of ${prompts} prompts continued with the same tokens${divergence}; mean KL ${mean_kl.toExponential(1)}, top-1 agreement ${(100 * top1_agreement).toFixed(1)} % over ${tokens} tokens`;
}
