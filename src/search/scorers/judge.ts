import { z } from "zod";
import { create, oneOf } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import { tokens } from "../../core/sizes.ts";
import { generatedTokens } from "../../data/traces.ts";
import * as teachers from "../../teachers/index.ts";
import type { Generation, Teacher } from "../../teachers/teacher.ts";
import { defineScorer } from "./scorer.ts";

const QUESTION = `Problem:
{prompt}

Solution, as far as it goes:
{completion}

Is this solution correct so far? Answer Yes or No.`;

/**
 * A model that is asked whether an answer is right: the probability of Yes beside that of No where it tells probabilities,
 * else 1 or 0 by the word that it says first (a generative verifier, arXiv:2408.15240).
 */
export const judge = defineScorer({
  options: z
    .object({
      teacher: oneOf(teachers).describe("The model that judges."),
      question: z
        .string()
        .refine((words) => words.includes("{completion}"), 'expected a text with "{completion}" in it')
        .default(QUESTION)
        .describe(
          "What it is asked, with {prompt} and {completion} in their places; the answer begins with Yes or No.",
        ),
      max_completion_length: tokens.default(8).describe("Tokens of its answer."),
    })
    .describe("A model that is asked whether the answer is correct."),
  async create({ teacher: spec, question, max_completion_length }) {
    const teacher = await create(teachers, spec as { type: string }, "teacher");
    const pieces = sidesOf(teacher);
    return {
      label: `judge ${teacher.model}`,
      async score(candidates, signal) {
        const requests = candidates.map(({ problem, completion }, seed) => {
          const words = { "{prompt}": problem.prompt, "{completion}": completion };
          const content = question.replace(/\{prompt\}|\{completion\}/g, (key) => words[key as keyof typeof words]);
          const messages = [{ role: "user", content }];
          return { prompt: teacher.render(messages), messages, seed, id: `${problem.id}-${seed}` };
        });
        const scored = candidates.map((): { score: number | null; tokens: number } => ({ score: null, tokens: 0 }));
        const options = {
          ...{ temperature: 0, top_p: 1, top_k: 0, min_p: 0, stop: [], max_completion_length, signal },
          top_logprobs: pieces ? TOP : 0,
        };
        for await (const { index, generation, error } of teacher.generate(requests, options)) {
          if (error !== undefined) throw new DistillError(`The judge ${teacher.model} could not be asked: ${error}`);
          scored[index] = { score: opinion(generation, pieces), tokens: generatedTokens(generation) };
        }
        return scored;
      },
      close: () => teacher.close(),
    };
  },
});

/** Most likely tokens among which Yes and No are looked for. */
const TOP = 20;

type Sides = { yes: ReadonlySet<number>; no: ReadonlySet<number> };

/** The tokens that say yes, and no; nothing where a server does not tell its tokens. */
function sidesOf(teacher: Teacher): Sides | undefined {
  let vocabulary: ReturnType<Teacher["vocabulary"]>;
  try {
    vocabulary = teacher.vocabulary();
  } catch (error) {
    if (error instanceof DistillError) return undefined;
    throw error;
  }
  const saying = (word: string) =>
    new Set(vocabulary.flatMap((piece, id) => (piece?.replace(/^[\sĠ▁]+/, "").toLowerCase() === word ? [id] : [])));
  return { yes: saying("yes"), no: saying("no") };
}

/** From 0 to 1; null where it says neither. */
function opinion({ completion, top_logprobs = [] }: Generation, sides: Sides | undefined): number | null {
  const first = top_logprobs.find(({ ids }) => sides && ids.some((id) => sides.yes.has(id) || sides.no.has(id)));
  if (first && sides) {
    const share = (of: ReadonlySet<number>) =>
      first.ids.reduce((sum, id, i) => sum + (of.has(id) ? Math.exp(first.logprobs[i]!) : 0), 0);
    const [yes, no] = [share(sides.yes), share(sides.no)];
    return yes / (yes + no);
  }
  const said = /\b(yes|no)\b/i.exec(completion)?.[1]?.toLowerCase();
  return said === undefined ? null : Number(said === "yes");
}
