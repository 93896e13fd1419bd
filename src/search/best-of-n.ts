import { z } from "zod";
import { componentOf, oneOf } from "../core/component.ts";
import { seededRandom } from "../core/random.ts";
import { several } from "../core/sizes.ts";
import { verdictOf } from "../core/trace.ts";
import { generatedTokens } from "../data/traces.ts";
import { majorityRight } from "../rewards/agreement.ts";
import { requestFor } from "../sampling/draw.ts";
import * as scorers from "./scorers/index.ts";
import { openScorers } from "./scorers/open.ts";
import type { ScorerComponent } from "./scorers/scorer.ts";
import {
  defineSearch,
  drawing,
  type Line,
  logprobOf,
  type Outcome,
  type Problem,
  requireLogprobs,
  type SearchRun,
} from "./search.ts";

const Options = z.object({
  n: z.array(several).min(1).default([1, 2, 4, 8]).describe("Answers to choose from, for each point of the curve."),
  by: z
    .array(z.union([z.literal("majority"), oneOf(scorers)]))
    .min(1)
    .default(["majority"])
    .describe(
      "What chooses: majority, the answer that most agree on, or the highest score of a scorer. Each is a curve.",
    ),
  max_tokens: z
    .int()
    .positive()
    .optional()
    .describe("Tokens for a problem: another answer is begun where its longest still fits. No limit unless given."),
});

/**
 * Several answers, of which one is chosen. A point is what to expect of any n of the answers that were drawn, so that all of
 * them count for each.
 */
export const best_of_n = defineSearch({
  options: Options.describe("Several whole answers, of which one is chosen."),
  create:
    ({ n, by, max_tokens }) =>
    async (run) => {
      const specs = by.filter((one) => one !== "majority");
      const opened = await openScorers(specs);
      try {
        const levels = [...new Set(n)].sort((a, b) => a - b);
        const wanted = Math.max(
          0,
          ...specs.map(({ type }) => componentOf<ScorerComponent>(scorers, type, "scorer").top_logprobs ?? 0),
        );
        const drawn = await draw(run, levels, max_tokens, wanted);
        if (!drawn) return undefined;
        const lines: Line[] = [];
        let next = 0;
        for (const one of by) {
          const scorer = one === "majority" ? undefined : opened.scorers[next++]!;
          const label = `best of n by ${scorer?.label ?? "majority"}`;
          const answers: Scored[][] = [];
          for (const [i, own] of drawn.entries()) {
            run.onProgress?.(`${label} ${i + 1}/${drawn.length}`);
            const scored = scorer
              ? await scorer.score(
                  own.map((answer) => ({ problem: run.problems[i]!, ...answer })),
                  run.signal,
                )
              : own.map(() => ({ score: null, tokens: 0 }));
            if (run.signal.aborted) return undefined;
            answers.push(
              own.map((answer, j) => ({
                ...answer,
                score: scored[j]!.score,
                tokens: answer.tokens + scored[j]!.tokens,
              })),
            );
          }
          const of = (own: Scored[], level: number) => (scorer ? bestOf(own, level) : majorityOf(own, level, run.same));
          lines.push({
            label,
            points: levels.map((level) => ({
              n: level,
              outcomes: answers.map((own): Outcome => {
                const count = Math.min(level, own.length);
                const mean = own.reduce((sum, { tokens }) => sum + tokens, 0) / Math.max(1, own.length);
                return { tokens: count * mean, right: count === 0 ? 0 : of(own, count) };
              }),
            })),
          });
        }
        return lines;
      } finally {
        await opened.close();
      }
    },
});

type Drawn = {
  completion: string;
  finish_reason: "stop" | "length" | "error";
  tokens: number;
  logprob: number;
  counted: number;
  right: boolean;
  extracted: string | null;
};
type Scored = Drawn & { score: number | null };

/** The answers to each problem, drawn level by level as far as the tokens go. */
async function draw(
  run: SearchRun,
  levels: readonly number[],
  max_tokens: number | undefined,
  top_logprobs: number,
): Promise<Drawn[][] | undefined> {
  const { teacher, problems, options, signal } = run;
  const drawn: Drawn[][] = problems.map(() => []);
  const limit = options.max_completion_length;
  for (const level of levels) {
    const asked: { i: number; problem: Problem; sample: number }[] = [];
    for (const [i, problem] of problems.entries()) {
      const used = drawn[i]!.reduce((sum, { tokens }) => sum + tokens, 0);
      const room = max_tokens === undefined ? level : Math.floor((max_tokens - used) / limit);
      const more = Math.min(level - drawn[i]!.length, room);
      for (let j = 0; j < more; j++) asked.push({ i, problem, sample: drawn[i]!.length + j });
    }
    const requests = asked.map(({ problem, sample }) => requestFor(teacher, problem, sample, options));
    let done = 0;
    for await (const { index, generation } of teacher.generate(requests, drawing(run, { top_logprobs }))) {
      const { i, problem } = asked[index]!;
      run.onProgress?.(`answers ${++done}/${asked.length}`);
      if (!generation) continue;
      requireLogprobs(teacher, top_logprobs, generation);
      const { completion, finish_reason } = generation;
      const tokens = generatedTokens(generation);
      const judged = await run.judge(problem, { completion, finish_reason, tokens });
      const counted = generation.token_ids.length;
      drawn[i]!.push({
        ...{ completion, finish_reason, tokens, logprob: logprobOf(generation), counted },
        ...{ right: verdictOf(judged) === "correct", extracted: judged.extracted },
      });
    }
    if (signal.aborted) return undefined;
  }
  return drawn;
}

/** How likely the best of n of these is right: each is the best of as many subsets as have none above it; ties are broken by chance. */
export function bestOf(answers: readonly { score: number | null; right: boolean }[], n: number): number {
  const score = (one: { score: number | null }) => one.score ?? Number.NEGATIVE_INFINITY;
  const sorted = [...answers].sort((a, b) => score(a) - score(b));
  const m = sorted.length;
  let [right, below] = [0, 0];
  while (below < m) {
    const tied = sorted.filter((one) => score(one) === score(sorted[below]!));
    const upTo = below + tied.length;
    // the share of subsets of n whose highest score is this one
    const share = within(upTo, n, m) - within(below, n, m);
    right += (share * tied.filter((one) => one.right).length) / tied.length;
    below = upTo;
  }
  return right;
}

/** C(some, n) / C(all, n) */
function within(some: number, n: number, all: number): number {
  let share = 1;
  for (let i = 0; i < n; i++) share *= Math.max(0, some - i) / (all - i);
  return share;
}

/** Subsets of which a majority is taken, at most. */
const SUBSETS = 1000;

/** How likely the majority of n of these is right, over all subsets or, where there are many, some by chance. */
export function majorityOf(
  answers: readonly { extracted: string | null; right: boolean }[],
  n: number,
  same?: (a: string, b: string) => boolean,
): number {
  const isRight = ({ right }: { right: boolean }) => right;
  const subsets = subsetsOf(answers, n);
  return subsets.reduce((sum, subset) => sum + majorityRight(subset, isRight, same), 0) / subsets.length;
}

function subsetsOf<Item>(items: readonly Item[], n: number): Item[][] {
  let count = 1;
  for (let i = 0; i < n; i++) count = (count * (items.length - i)) / (i + 1);
  if (count > SUBSETS) {
    const random = seededRandom(n);
    return Array.from({ length: SUBSETS }, () => random.shuffled(items).slice(0, n));
  }
  const choose = (from: number, left: number): Item[][] =>
    left === 0
      ? [[]]
      : items
          .slice(from, items.length - left + 1)
          .flatMap((item, i) => choose(from + i + 1, left - 1).map((rest) => [item, ...rest]));
  return choose(0, n);
}
