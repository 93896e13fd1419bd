/** @file What a recipe gives its trainer beside the student: examples, prompts, and a teacher at its side. */

import { join } from "node:path";
import { componentOf, create } from "../../core/component.ts";
import { DistillError, Stopped } from "../../core/errors.ts";
import type { Segments } from "../../data/example-store.ts";
import type { Split } from "../../data/generators/generator.ts";
import { type Likely, readLikely } from "../../data/likely.ts";
import type { PromptSource } from "../../data/prompts.ts";
import { promptTokens } from "../../data/segments.ts";
import { templateOf } from "../../data/templates.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { requireSameVocabulary, vocabularyOf } from "../../data/vocabulary.ts";
import { createModel, loadWeights, readConfig } from "../../models/load.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { StageContext } from "../../recipe/stages.ts";
import { judgeGroup } from "../../rewards/judge.ts";
import type { Device } from "../../runtime/device.ts";
import { sampleOf } from "../../sampling/ledger.ts";
import { keepsWeights, studentModel } from "../../student/model.ts";
import type { OpenedStudent } from "../../student/student.ts";
import { startingWeights } from "../../student/weights.ts";
import * as teachers from "../../teachers/index.ts";
import { requireScores, scoreSegments } from "../../teachers/score.ts";
import type { Teacher, TeacherComponent } from "../../teachers/teacher.ts";
import { writeWeight } from "../../trainers/checkpoint.ts";
import type { Beside, Materials } from "../../trainers/trainer.ts";
import { askedThrough, type Context, questions, trainerOf } from "./context.ts";
import { likelyPlace } from "./logprobs.ts";
import { openRulesOf, type Rules } from "./rules.ts";

/** The prompts that the student answers, and those that it is measured on, as it reads them; where the trainer has some. */
export function promptsOf({ recipe }: Context, tokenizer: Tokenizer): Pick<Given, "prompts" | "evaluated"> {
  const asked = trainerOf(recipe).asks?.(recipe.trainer);
  if (!asked) return {};
  const { written, template, folder } = tokenizer;
  const render = templateOf(askedThrough(recipe, tokenizer), template, folder, written);
  const rules = trainerOf(recipe).judges ? (recipe.rewards ?? []) : [];
  const read = (source: PromptSource, split: Split) =>
    questions(source, split, rules).map((prompt, i) => {
      const text = render([{ role: "user", content: prompt.prompt }], { generate: true });
      return { ...prompt, number: i + 1, text, tokens: promptTokens(text, tokenizer) };
    });
  return {
    prompts: read(asked.prompts, "train"),
    ...(asked.evaluates ? { evaluated: read(asked.evaluates, "test") } : {}),
  };
}

type Given = Pick<
  Materials,
  | "segments"
  | "validation"
  | "likely"
  | "prompts"
  | "evaluated"
  | "asked"
  | "backend"
  | "teacher"
  | "judge"
  | "reference"
>;

/** What the trainer is given. `close` frees the teacher. */
export async function materialsOf(
  context: Context,
  device: Device,
  student: Pick<OpenedStudent, "config" | "tokenizer" | "source">,
  { segments, validation }: { segments?: Segments; validation?: Segments },
  { signal, requireUnchanged }: Pick<StageContext, "signal" | "requireUnchanged">,
): Promise<{ given: Given; close(): Promise<void> }> {
  const { recipe, folder } = context;
  const { tokenizer } = student;
  const trainer = trainerOf(recipe);
  const given: Given = { segments, validation, ...promptsOf(context, tokenizer) };
  if (given.prompts) given.asked = { stops: tokenizer.stops, decode: tokenizer.decode };
  if (trainer.teacher === "logprobs") {
    const { name, key } = likelyPlace(context);
    given.likely = readLikely({ folder: join(folder.path, name), key });
  }
  let rules: Rules | undefined;
  if (trainer.judges) {
    rules = await openRulesOf(context, recipe.rewards!, signal);
    const { rewards } = rules;
    given.judge = (samples) => judgeGroup(rewards, samples.map(sampleOf)).catch(unlessStopped);
  }
  given.reference = async () => {
    const reference = await referenceOf(recipe, device, student);
    requireUnchanged();
    return reference;
  };
  if (trainer.teacher !== "model") return { given, close: async () => rules?.close() };
  const { beside, close } = await teacherBeside(recipe, device, tokenizer, signal);
  return { given: { ...given, teacher: beside }, close };
}

/** Nothing where the judge was stopped. */
function unlessStopped(error: unknown): undefined {
  if (!(error instanceof Stopped)) throw error;
}

/** The recipe's reference; else, where an adapter is trained, the student without it, or a copy of all its weights. */
async function referenceOf(
  recipe: Recipe,
  device: Device,
  { config, source }: Pick<OpenedStudent, "config" | "source">,
) {
  if (recipe.reference) {
    const { path } = recipe.reference;
    const given = readConfig(path);
    if (given.vocab_size !== config.vocab_size)
      throw new DistillError(
        `The reference ${path} has a vocab_size of ${given.vocab_size}, and the student of ${config.vocab_size}. Give a model of the student's tokens.`,
      );
    const model = createModel(given, join(path, "config.json"), { scope: "reference/" });
    for (const weight of loadWeights(path, model)) await writeWeight(device, model, weight);
    return model;
  }
  if (keepsWeights(recipe))
    return studentModel({ student: recipe.student }, { config, source }, { ...recipe.trainer, freeze: ["*"] });
  const model = createModel(config, source, { scope: "reference/" });
  for (const weight of startingWeights(recipe.student, model, model.parameters, recipe.trainer.seed))
    await writeWeight(device, model, weight);
  return model;
}

/** Tokens of a teacher that cannot stand beside the student are compared, unless the recipe says how many. */
const TOP = 64;

/** The teacher's model beside the student where it is of our families, else the teacher, which scores texts. */
async function teacherBeside(
  recipe: Recipe,
  device: Device,
  tokenizer: Tokenizer,
  signal: AbortSignal,
): Promise<{ beside: Beside; close(): Promise<void> }> {
  const { type, ...options } = recipe.teacher!;
  const component = componentOf<TeacherComponent>(teachers, type, "teacher");
  const student = { name: tokenizer.folder, tokens: vocabularyOf(tokenizer) };
  const top_logprobs = trainerOf(recipe).top_logprobs?.(recipe.trainer);
  const whole = component.model?.(options) ?? `the teacher ${type} does not say what its model is`;
  if (top_logprobs === undefined && typeof whole !== "string") {
    requireSameVocabulary(student, { name: whole.source, tokens: whole.vocabulary() });
    const model = createModel(whole.config, whole.source, { scope: "teacher/" });
    for (const weight of whole.weights(model.parameters)) await writeWeight(device, model, weight);
    console.log(`The teacher is computed beside the student, over all of its ${model.head.shape[0]} tokens.`);
    return { beside: { model }, close: async () => {} };
  }
  const k = top_logprobs ?? TOP;
  const teacher = await create(teachers, recipe.teacher!, "teacher");
  try {
    requireScores(teacher, k);
    requireSameVocabulary(student, { name: teacher.model, tokens: teacher.vocabulary() });
  } catch (error) {
    await teacher.close();
    throw error;
  }
  const why = typeof whole === "string" && top_logprobs === undefined ? `, since ${whole.replace(/\.$/, "")}` : "";
  console.log(`The teacher gives its ${k} most likely tokens, and the probability of all others as one${why}.`);
  return { beside: { score: scorerOf(teacher, k, signal), top_logprobs: k }, close: () => teacher.close() };
}

const scorerOf =
  (teacher: Teacher, top_logprobs: number, signal: AbortSignal): Extract<Beside, { score: unknown }>["score"] =>
  async (segments) => {
    const all: Likely[] = [];
    for await (const { index, error, likely } of scoreSegments(teacher, segments, { top_logprobs, signal })) {
      if (error !== undefined) throw new DistillError(`A text of the student could not be scored: ${error}`);
      all[index] = likely;
    }
    return signal.aborted ? undefined : all;
  };
