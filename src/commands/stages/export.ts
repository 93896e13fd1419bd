/** @file The student as files for llama.cpp and transformers.js, each compared with the trained weights. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "../../core/component.ts";
import { startProgress } from "../../core/progress.ts";
import type { Prompt } from "../../core/trace.ts";
import { loadTokenizer, type Tokenizer } from "../../data/tokenizer.ts";
import type { Exported, Source } from "../../exporters/exporter.ts";
import * as exporters from "../../exporters/index.ts";
import { MAX_MEAN_KL, type ParityOptions } from "../../exporters/limits.ts";
import { compareRunner, continueGreedily, type ParityReport, requireParity } from "../../exporters/parity.ts";
import { openRunner, runnerOf } from "../../exporters/runners/open.ts";
import { openReferenceRunner } from "../../exporters/runners/reference.ts";
import { compareEncoders, requireSameTokens } from "../../exporters/text-parity.ts";
import { textsToEncode } from "../../exporters/texts.ts";
import { evaluationsOf } from "../../recipe/recipe.ts";
import type { Stage } from "../../recipe/stages.ts";
import { conversationOf } from "../../sampling/draw.ts";
import { hubName } from "../../student/base-name.ts";
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
          const files = await create(exporters, spec, "exporter")(described(context, student), into);
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
        requireParity(report, limitOf(exported.find(({ name }) => name === report.name)!, recipe.parity.max_mean_kl));
      }
      const relative = exported.map(({ path, ...rest }) => ({ ...rest, path: path.slice(folder.path.length + 1) }));
      return { result: { files: relative, parity: reports } };
    },
  };
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

/** Each file against the student, first what it makes of texts, or nothing where it was stopped. */
async function compareAll(
  context: Context,
  exported: readonly Exported[],
  signal: AbortSignal,
): Promise<ParityReport[] | undefined> {
  const { parity } = context.recipe;
  const tokenizer = loadTokenizer(placeOf(context, "student"));
  const asked = gatePrompts(context).map((prompt) => textOf(prompt, tokenizer));
  if (parity.texts > 0 && !(await compareTexts(exported, tokenizer, asked, parity, signal))) return undefined;
  const prompts = asked.map((text) => tokensOf(text, tokenizer));
  const reference = await openReferenceRunner(placeOf(context, "student"));
  const { max_completion_length } = parity;
  const most = prompts.length * max_completion_length;
  const answering = startProgress("compare", most, "token");
  const continuations = await continueGreedily(reference, prompts, {
    stops: tokenizer.stops,
    max_completion_length,
    signal,
    onTokens: (tokens) => answering.update(tokens, "of the weights"),
  }).finally(async () => {
    answering.end();
    await reference.close(); // its answers are kept for all files
  });
  if (signal.aborted) return undefined;
  const reports: ParityReport[] = [];
  const progress = startProgress("compare", exported.length * prompts.length, "text");
  try {
    for (const [i, { name, path, base }] of exported.entries()) {
      if (signal.aborted) return undefined;
      progress.update(i * prompts.length, name);
      const beside = base ? await baseFile(base) : undefined;
      const runner = await openRunner(path, beside?.path);
      try {
        const onText = (texts: number) => progress.update(i * prompts.length + texts, name);
        reports.push(await compareRunner(name, runner, continuations, onText));
      } finally {
        await runner.close();
        beside?.remove();
      }
    }
  } finally {
    progress.end();
  }
  return reports;
}

/** The model that an adapter is beside, as llama.cpp reads it, for a while. */
async function baseFile(folder: string): Promise<{ path: string; remove(): void }> {
  const temporary = mkdtempSync(join(tmpdir(), "distill-base-"));
  const remove = () => rmSync(temporary, { recursive: true, force: true });
  try {
    const spec = { type: "gguf", types: ["f32"] } as { type: string };
    const [file] = await create(exporters, spec, "exporter")({ folder }, temporary);
    return { path: file!.path, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** What programs make of texts, and of the student's own prompts, through each file; false where it was stopped. */
async function compareTexts(
  exported: readonly Exported[],
  tokenizer: Tokenizer,
  asked: readonly string[],
  { texts: count, max_different_texts }: ParityOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const texts = [...asked, ...textsToEncode(count, tokenizer.added)];
  const whole = exported.filter(({ base }) => !base); // an adapter has no tokenizer
  const progress = startProgress("encode", whole.length, "file");
  try {
    for (const [i, { name, path }] of whole.entries()) {
      if (signal.aborted) return false;
      const encoder = await runnerOf(path).openEncoder?.(path);
      try {
        if (encoder) requireSameTokens(await compareEncoders(name, tokenizer, encoder, texts), max_different_texts);
      } finally {
        await encoder?.close();
      }
      progress.update(i + 1, name);
    }
    return true;
  } finally {
    progress.end();
  }
}

/** The first of the evaluation's questions, or of those sampled from. */
function gatePrompts({ recipe }: Context): Prompt[] {
  const source = evaluationsOf(recipe)[0]?.prompts ?? recipe.sampling?.prompts;
  return source
    ? questions(source, "test").slice(0, recipe.parity.prompts)
    : [{ id: "line-1", prompt: "The quick brown fox jumps over the lazy dog." }];
}

const textOf = (prompt: Prompt, tokenizer: Tokenizer): string =>
  tokenizer.template ? tokenizer.render(conversationOf(prompt, {}), { generate: true }) : prompt.prompt;

function tokensOf(text: string, tokenizer: Tokenizer): number[] {
  const ids = tokenizer.encode(text);
  return tokenizer.bos === undefined || ids[0] === tokenizer.bos ? ids : [tokenizer.bos, ...ids];
}

/** onnx-q8: 8 of 8 prompts continued the same; mean KL 1.2e-4, top-1 agreement 100.0 % over 512 tokens */
function describe(report: ParityReport): string {
  const { name, prompts, tokens, identical_prompts, first_divergence, mean_kl, top1_agreement } = report;
  const divergence = first_divergence === null ? "" : `, first divergence at token ${first_divergence}`;
  return `${name}: ${identical_prompts} of ${prompts} prompts continued with the same tokens${divergence}; mean KL ${mean_kl.toExponential(1)}, top-1 agreement ${(100 * top1_agreement).toFixed(1)} % over ${tokens} tokens`;
}
