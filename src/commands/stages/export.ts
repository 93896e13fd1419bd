/** @file The student as files for llama.cpp and transformers.js, each compared with the trained weights. */

import { join } from "node:path";
import { create } from "../../core/component.ts";
import { startProgress } from "../../core/progress.ts";
import type { Prompt } from "../../core/trace.ts";
import { loadTokenizer, type Tokenizer } from "../../data/tokenizer.ts";
import type { Exported } from "../../exporters/exporter.ts";
import * as exporters from "../../exporters/index.ts";
import { MAX_MEAN_KL } from "../../exporters/limits.ts";
import { compareRunners, continueGreedily, type ParityReport, requireParity } from "../../exporters/parity.ts";
import { openRunner } from "../../exporters/runners/open.ts";
import { openReferenceRunner } from "../../exporters/runners/reference.ts";
import { evaluationsOf } from "../../recipe/recipe.ts";
import type { Stage } from "../../recipe/stages.ts";
import { conversationOf } from "../../sampling/draw.ts";
import { type Context, NAMES, placeOf, questions } from "./context.ts";
import { wholeStudent } from "./train.ts";

export function exportStage(context: Context): Stage {
  const { recipe } = context;
  const names = recipe.export.map(({ type }) => `${NAMES.export}/${type}`);
  return {
    name: "export",
    after: ["train"],
    inputs: () => ({ export: recipe.export, parity: recipe.parity }),
    leaves: [...new Set(names), PARITY],
    async run({ key, folder, signal }) {
      const student = wholeStudent(context);
      const exported: Exported[] = [];
      for (const [i, spec] of recipe.export.entries()) {
        const name = names[i]!;
        await folder.writeFolder(name, key, async (into) => {
          const files = await create(exporters, spec, "exporter")({ folder: student }, into);
          const placed = (path: string) => join(folder.path, name, path.slice(into.length));
          exported.push(...files.map((file) => ({ ...file, path: placed(file.path) })));
        });
        if (signal.aborted) return { stopped: true, result: {} };
      }
      const reports = await compareAll(context, exported, signal);
      if (!reports) return { stopped: true, result: {} };
      folder.writeFile(PARITY, `${JSON.stringify(reports, null, 2)}\n`);
      for (const report of reports) {
        console.log(describe(report));
        requireParity(report, limitOf(report.name, recipe.parity.max_mean_kl));
      }
      const relative = exported.map(({ path, ...rest }) => ({ ...rest, path: path.slice(folder.path.length + 1) }));
      return { result: { files: relative, parity: reports } };
    },
  };
}

const PARITY = `${NAMES.export}/parity.json`;

const limitOf = (name: string, limits: Record<string, number>) =>
  limits[name] ?? MAX_MEAN_KL[name] ?? Number.POSITIVE_INFINITY;

/** Each file against the weights, or nothing where it was stopped. */
async function compareAll(
  context: Context,
  exported: readonly Exported[],
  signal: AbortSignal,
): Promise<ParityReport[] | undefined> {
  const { parity } = context.recipe;
  const tokenizer = loadTokenizer(placeOf(context, "student"));
  const prompts = gatePrompts(context).map((prompt) => tokensOf(prompt, tokenizer));
  const reference = await openReferenceRunner(placeOf(context, "student"));
  const reports: ParityReport[] = [];
  const progress = startProgress("compare", exported.length, "file");
  try {
    const { max_completion_length } = parity;
    const continuations = await continueGreedily(reference, prompts, { stops: tokenizer.stops, max_completion_length });
    for (const { name, path } of exported) {
      if (signal.aborted) return undefined;
      const runner = await openRunner(path);
      try {
        reports.push(await compareRunners(name, reference, runner, continuations));
      } finally {
        await runner.close();
      }
      progress.update(reports.length, name);
    }
  } finally {
    progress.end();
    await reference.close();
  }
  return reports;
}

/** The first of the evaluation's questions, or of those sampled from. */
function gatePrompts({ recipe }: Context): Prompt[] {
  const source = evaluationsOf(recipe)[0]?.prompts ?? recipe.sampling?.prompts;
  return source
    ? questions(source, "test").slice(0, recipe.parity.prompts)
    : [{ id: "line-1", prompt: "The quick brown fox jumps over the lazy dog." }];
}

function tokensOf(prompt: Prompt, tokenizer: Tokenizer): number[] {
  const text = tokenizer.template ? tokenizer.render(conversationOf(prompt, {}), { generate: true }) : prompt.prompt;
  const ids = tokenizer.encode(text);
  return tokenizer.bos === undefined || ids[0] === tokenizer.bos ? ids : [tokenizer.bos, ...ids];
}

/** onnx-q8: 8 of 8 prompts continued the same; mean KL 1.2e-4, top-1 agreement 100.0 % over 512 tokens */
function describe(report: ParityReport): string {
  const { name, prompts, tokens, identical_prompts, first_divergence, mean_kl, top1_agreement } = report;
  const divergence = first_divergence === null ? "" : `, first divergence at token ${first_divergence}`;
  return `${name}: ${identical_prompts} of ${prompts} prompts continued with the same tokens${divergence}; mean KL ${mean_kl.toExponential(1)}, top-1 agreement ${(100 * top1_agreement).toFixed(1)} % over ${tokens} tokens`;
}
