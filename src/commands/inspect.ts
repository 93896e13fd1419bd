/** @file distill inspect: the rows that a recipe trains on, as they are trained on. No weights are loaded. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import type { Row } from "../data/batch.ts";
import type { Segments } from "../data/example-store.ts";
import { type Examples, readExamples } from "../data/examples.ts";
import { type PackedRow, rowsOf, unpacked } from "../data/packing.ts";
import type { DatasetSource } from "../data/sources.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { readOneRecipe } from "../recipe/pipeline.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { readRunFolder } from "../store/run-folder.ts";
import { studentTokenizer } from "../student/student.ts";
import { htmlPage } from "./inspect/html.ts";
import { piecesOf } from "./inspect/pieces.ts";
import { rolloutsShown } from "./inspect/rollouts.ts";
import { summarise } from "./inspect/summary.ts";
import { legend, terminalRow, terminalSummary } from "./inspect/terminal.ts";
import { writePage } from "./report.ts";
import { withMixed } from "./stages/context.ts";
import { cacheOf } from "./stages/example-cache.ts";
import { fromHub } from "./stages/hub.ts";

const number = (from: number) =>
  z.string().regex(/^\d+$/, "expected a whole number").transform(Number).pipe(z.int().min(from)).optional();

const Options = z.object({
  /** How many rows are shown. */
  rows: number(0),
  /** The number of one row of the dataset, from 1, that is shown instead. */
  row: number(1),
  /** Of what a student wrote for its own training, which generation is shown, from 1; the last unless given. */
  generation: number(1),
  /** The step of a pipeline. */
  step: z.string().min(1).optional(),
  width: number(20),
  html: z.string().min(1).optional(),
});
export type InspectArguments = z.input<typeof Options>;

/** Rows shown where nothing is said. */
const SHOWN = 2;
const SHOWN_ON_PAGE = 20;

export async function inspect(
  recipePath: string,
  overrides: readonly string[],
  given: InspectArguments,
  signal: AbortSignal,
): Promise<void> {
  const options = Options.safeParse(given);
  if (!options.success) {
    const { path, message } = options.error.issues[0]!;
    throw new DistillError(`--${path.join(".")}: ${message}.`);
  }
  const { rows = options.data.html ? SHOWN_ON_PAGE : SHOWN, row, width, html, generation, step } = options.data;
  const read = readOneRecipe(recipePath, overrides, step);
  const answers = !read.dataset && !read.sampling;
  const foreign = (answers ? (["rows", "row", "width", "html"] as const) : (["generation"] as const)).find(
    (name) => options.data[name] !== undefined,
  );
  if (foreign)
    throw new DistillError(
      answers
        ? `--${foreign} is of rows of a dataset, and the trainer ${read.trainer.type} makes its examples from what the student writes. Give --generation, or no option.`
        : `--${foreign} is of what a student writes for its own training, and the trainer ${read.trainer.type} learns from a dataset. Give --row or --rows.`,
    );
  if (answers) return console.log(rolloutsShown(read.output!, generation).trimEnd());
  const fetched = await fromHub(read, { weights: [], signal });
  if (!fetched) return;
  const { recipe } = fetched;
  const { max_length, packing } = recipe.trainer;
  const { tokenizer, place } = studentTokenizer(recipe);
  // what is too long is shown, not refused
  const dataset = datasetOf(recipe);
  const folder = readRunFolder(recipe.output!, recipe.name);
  const cache = cacheOf({ folder, hub: fetched.hub }, dataset, { ...tokenizer, folder: place }, recipe.trainer);
  const examples = await readExamples(
    dataset,
    tokenizer,
    { ...recipe.trainer, overlength: "drop", on_bad_row: "skip" },
    signal,
    cache,
  );
  if (!examples) return;

  const packed = rowsOf(examples.segments, { packing, max_length });
  const shown = row === undefined ? firstRows(examples, packed, rows) : rowsWith(row, examples, packed);
  const summary = summarise(examples, packed, max_length, renderingOf(recipe, tokenizer));
  const show = shown.map(({ title, row, length = max_length }) => ({
    title,
    pieces: piecesOf(row, length, tokenizer),
  }));
  if (html) {
    writePage(html, htmlPage(recipe.name, summary, show));
    return console.log(`${html} shows ${show.length} of ${packed.length} rows.`);
  }
  const { stdout, env } = process;
  const terminal = { colour: stdout.isTTY && !env.NO_COLOR, width: width ?? (stdout.isTTY ? stdout.columns : 100) };
  stdout.on("error", ({ code }: NodeJS.ErrnoException) => process.exit(code === "EPIPE" ? 0 : 1)); // | head
  console.log(`${terminalSummary(summary, terminal)}\n\n${legend(terminal)}`);
  for (const { title, pieces } of show) console.log(`\n${title}\n${terminalRow(pieces, terminal)}`);
}

/** How the student's prompts are rendered, in words. */
function renderingOf({ chat_template, chat_template_kwargs = {} }: Recipe, { template }: Tokenizer): string {
  if (template === undefined) return "none: a prompt stands as it is, and its completion behind it";
  const name = chat_template === undefined ? "the tokenizer's own chat template" : brief(chat_template);
  const set = Object.entries(chat_template_kwargs).map(([name, value]) => `${name} ${value}`);
  return set.length > 0 ? `${name}, with ${set.join(", ")}` : name;
}

const brief = (template: string): string => (/\{[{%]/.test(template) ? "the recipe's chat template" : template);

/** A row of `length` tokens; max_length unless given. */
type Shown = { title: string; row: Row; length?: number };

const firstRows = ({ segments }: Examples, packed: readonly PackedRow[], rows: number): Shown[] =>
  packed.slice(0, rows).map((row, i) => ({ title: titleOf(i, packed.length), row: unpacked(segments, row) }));

const titleOf = (index: number, rows: number) => `Row ${index + 1} of ${rows}`;

/** The examples of a row of the dataset, each by itself. */
function rowsWith(number: number, { name, rows, segments, dropped }: Examples, packed: readonly PackedRow[]): Shown[] {
  if (number > rows) throw new DistillError(`${name} has ${rows} rows, and no row ${number}.`);
  const shown = (all: Segments, which: readonly number[], where: string): Shown[] =>
    which
      .filter((i) => all.rows[i] === number)
      .map((i) => ({ title: `Row ${number} of the dataset, ${where}`, row: [all.at(i)], length: 0 }));
  return [
    ...packed.flatMap((row, i) => shown(segments, row, `in row ${i + 1} of ${packed.length}`)),
    ...shown(dropped, [...dropped.rows.keys()], "which is too long and left out"),
  ];
}

function datasetOf(recipe: Recipe): DatasetSource {
  const { dataset, output } = recipe;
  if (dataset) return dataset;
  const path = join(output!, "dataset");
  if (!existsSync(path))
    throw new DistillError(`${path} is not there: nothing has been sampled yet. Run distill sample first.`);
  return withMixed(recipe, path);
}
