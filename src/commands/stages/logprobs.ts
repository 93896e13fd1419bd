/** @file What the teacher finds likely at each token that the student learns. */

import { create } from "../../core/component.ts";
import { contentHash } from "../../core/hash.ts";
import { readExamples } from "../../data/examples.ts";
import { storedRows } from "../../data/likely.ts";
import { requireSameVocabulary, vocabularyOf } from "../../data/vocabulary.ts";
import type { Stage } from "../../recipe/stages.ts";
import { scoreExamples } from "../../sampling/likely.ts";
import { openStudent } from "../../student/student.ts";
import * as teachers from "../../teachers/index.ts";
import { type Context, datasetOf, hashOf, renderingInput, teacherInput, trainerOf } from "./context.ts";
import { cacheOf, datasetContent, examplesInput } from "./example-cache.ts";
import { splitInput, trainedOn } from "./examples.ts";

/** Which of a dataset's rows become examples, and what is learned of them. */
function examplesAsked({ trainer: { max_length, overlength, on_bad_row, train_on } }: Context["recipe"]) {
  const other = { on_bad_row, train_on };
  return { max_length, overlength, ...(on_bad_row === "error" && train_on === "completions" ? {} : other) };
}

const topOf = ({ recipe }: Context) => trainerOf(recipe).top_logprobs!(recipe.trainer)!;

/** Where what is likely in the recipe's examples is kept. Its key hangs on the examples, all of them, and who scores them. */
export function likelyPlace(context: Context): { name: string; key: string } {
  const { tokenizer } = openStudent(context.recipe);
  const examples = examplesInput(context, datasetOf(context), tokenizer, context.recipe.trainer.train_on);
  const teacher = context.recipe.teacher ? teacherInput(context) : null;
  const key = contentHash({ examples, teacher, top_logprobs: topOf(context) });
  return { name: `logprobs/${key}`, key };
}

export function logprobsStage(context: Context): Stage {
  const { recipe } = context;
  return {
    name: "logprobs",
    after: recipe.sampling ? ["select"] : [],
    inputs: () => ({
      top_logprobs: topOf(context),
      examples: examplesAsked(recipe),
      tokenizer: hashOf(context, openStudent(recipe).tokenizer.folder, "folder", "The tokenizer"),
      ...renderingInput(recipe),
      ...(recipe.teacher ? { teacher: teacherInput(context) } : {}),
      ...(recipe.dataset ? { dataset: datasetContent(context, recipe.dataset) } : {}),
      ...splitInput(recipe),
    }),
    leaves: [],
    async run({ folder, signal, requireUnchanged }) {
      const { tokenizer, source } = openStudent(recipe);
      const dataset = datasetOf(context);
      const cache = cacheOf(context, dataset, tokenizer, recipe.trainer);
      const examples = await readExamples(dataset, tokenizer, recipe.trainer, signal, cache);
      if (!examples) return { stopped: true, result: {} };
      requireUnchanged();
      const { name, key } = likelyPlace(context);
      const open = async () => {
        const teacher = await create(teachers, recipe.teacher!, "teacher");
        try {
          requireUnchanged();
          requireSameVocabulary(
            { name: source, tokens: vocabularyOf(tokenizer) },
            { name: teacher.model, tokens: teacher.vocabulary() },
          );
        } catch (error) {
          await teacher.close();
          throw error;
        }
        return teacher;
      };
      let changed = false;
      async function* stored() {
        if ("path" in dataset && typeof dataset.path === "string") yield* storedRows(dataset.path);
        changed = true;
        requireUnchanged();
        changed = false;
      }
      const { stopped, ...result } = await scoreExamples({
        segments: trainedOn(recipe, examples.segments),
        top_logprobs: topOf(context),
        place: { folder: folder.place(name), key },
        stored: stored(),
        teacher: recipe.teacher ? open : undefined,
        signal,
      }).catch((error) => {
        if (changed) folder.discard(name); // some of it may be what another content says
        throw error;
      });
      folder.keep(name, { rows: result.examples });
      if (!stopped)
        console.log(
          `The teacher's ${topOf(context)} most likely tokens in ${result.examples} examples, ${result.scored} of them scored now; ${(100 * result.tail).toFixed(2)} % of its probability lies beyond them.`,
        );
      return { stopped, result };
    },
  };
}
