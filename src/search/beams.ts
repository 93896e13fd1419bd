/** @file Search over the steps of an answer: several beginnings at a time, of which the most promising are gone on with. */

import { z } from "zod";
import { componentOf, oneOf } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { deriveSeed } from "../core/random.ts";
import { several, tokens } from "../core/sizes.ts";
import type { FinishReason } from "../core/trace.ts";
import { verdictOf } from "../core/trace.ts";
import { generatedTokens } from "../data/traces.ts";
import type { Generation, SamplingOptions } from "../teachers/teacher.ts";
import * as scorers from "./scorers/index.ts";
import { openScorers } from "./scorers/open.ts";
import type { Scorer, ScorerComponent } from "./scorers/scorer.ts";
import {
  drawing,
  type Line,
  logprobOf,
  type Outcome,
  type Problem,
  requireLogprobs,
  type SearchRun,
} from "./search.ts";

export const BeamOptions = z.object({
  n: z
    .array(several)
    .min(1)
    .default([4])
    .describe("Beginnings that are written side by side, for each point of the curve."),
  beam_width: z
    .int()
    .positive()
    .default(4)
    .describe("In how many ways each is gone on with: n / beam_width are kept at each step."),
  scorer: oneOf(scorers).prefault({ type: "logprob" }).describe("What says how promising a beginning is."),
  separator: z.string().min(1).default("\n\n").describe("What ends a step."),
  max_step_tokens: tokens.default(256).describe("Tokens after which a step ends in any case."),
  num_iterations: several.default(40).describe("Steps after which the best one is taken as it is."),
  max_tokens: z
    .int()
    .positive()
    .optional()
    .describe("Tokens for a problem: a step is begun where its longest still fits. No limit unless given."),
});
export type BeamOptions = z.output<typeof BeamOptions>;

/** A beginning of an answer, or a whole one. */
type Beam = {
  text: string;
  tokens: number;
  logprob: number;
  counted: number;
  /** How it ended; undefined while it can be gone on with. */
  ended?: FinishReason;
  score: number;
};

/** The beginnings of a problem, those that are whole and among the best, and the tokens that all of it took. */
type State = { problem: Problem; open: Beam[]; whole: Beam[]; used: number };

/** Beams at each width; each step is scored as it is, or with what `lookahead` greedy tokens make of it. */
export async function searchBeams(
  run: SearchRun,
  options: BeamOptions & { lookahead: number },
  title: string,
): Promise<Line[] | undefined> {
  requireContinuing(run);
  const wrong = options.n.find((n) => n % Math.min(n, options.beam_width) !== 0);
  if (wrong !== undefined)
    throw new DistillError(
      `${wrong} beams cannot be shared among ways of ${options.beam_width} each. Give an n that beam_width divides, or another beam_width.`,
    );
  const opened = await openScorers([options.scorer]);
  const [scorer] = opened.scorers as [Scorer];
  try {
    const points = [];
    for (const n of [...new Set(options.n)].sort((a, b) => a - b)) {
      const outcomes = await atWidth(run, n, options, scorer, title);
      if (!outcomes) return undefined;
      points.push({ n, outcomes });
    }
    return [{ label: `${title} by ${scorer.label}`, points }];
  } finally {
    await opened.close();
  }
}

function requireContinuing({ teacher, options }: SearchRun): void {
  if (teacher.continues === false)
    throw new DistillError(
      `${teacher.model} is given messages, so nothing that it has begun can be gone on with. Ask it with endpoint: completions, or take best_of_n.`,
    );
  if (options.stop.length > 0)
    throw new DistillError("A search over steps cannot tell the end of a step from a text of `stop`. Leave stop out.");
}

async function atWidth(
  run: SearchRun,
  n: number,
  options: BeamOptions & { lookahead: number },
  scorer: Scorer,
  title: string,
): Promise<Outcome[] | undefined> {
  const { judge, problems, signal } = run;
  const { beam_width, num_iterations, max_step_tokens, max_tokens = Number.POSITIVE_INFINITY } = options;
  const ways = Math.min(n, beam_width);
  const keep = n / ways;
  const nothing: Beam = { text: "", tokens: 0, logprob: 0, counted: 0, score: 0 };
  const states = problems.map((problem): State => ({ problem, open: [nothing], whole: [], used: 0 }));
  const most = max_step_tokens + options.lookahead; // tokens that a way may take
  for (let step = 0; step < num_iterations; step++) {
    const asked = states.flatMap((state) => {
      const each = step === 0 ? n : ways;
      const all = state.open.flatMap((beam) => Array.from({ length: each }, () => ({ state, beam })));
      return all.slice(0, Math.max(0, Math.floor((max_tokens - state.used) / most)));
    });
    if (asked.length === 0) break;
    run.onProgress?.(`${title}, n ${n}, step ${step + 1}: ${asked.length} ways`);
    const found = await written(run, asked, options, [n, step]);
    if (!found) return undefined;
    const scored = await scorer.score(
      found.map(({ state, beam, ahead }) => ({
        problem: state.problem,
        completion: ahead.text,
        finish_reason: ahead.ended ?? beam.ended ?? "length",
        ...{ tokens: ahead.tokens, logprob: ahead.logprob, counted: ahead.counted },
      })),
      signal,
    );
    if (signal.aborted) return undefined;
    const ofState = new Map<State, Beam[]>();
    for (const [i, { state, beam, used }] of found.entries()) {
      state.used += used + scored[i]!.tokens;
      const score = scored[i]!.score ?? Number.NEGATIVE_INFINITY;
      ofState.set(state, [...(ofState.get(state) ?? []), { ...beam, score }]);
    }
    for (const [state, beams] of ofState) {
      // a whole answer keeps its place among the best, so fewer are gone on with
      const best = [...state.whole, ...beams].sort((a, b) => b.score - a.score).slice(0, keep);
      state.whole = best.filter(({ ended }) => ended !== undefined);
      state.open = best.filter(({ ended }) => ended === undefined);
    }
  }
  return Promise.all(
    states.map(async ({ problem, open, whole, used }) => {
      const [best] = [...(whole.length > 0 ? whole : open)].sort((a, b) => b.score - a.score);
      const { text, ended = "length", tokens } = best ?? nothing;
      const judged = await judge(problem, { completion: text, finish_reason: ended, tokens });
      return { tokens: used, right: Number(verdictOf(judged) === "correct") };
    }),
  );
}

type Way = { state: State; beam: Beam };

/** Each way with its next step, what lies ahead of it, and the tokens that both took. Nothing where it was stopped. */
async function written(
  run: SearchRun,
  asked: readonly Way[],
  given: BeamOptions & { lookahead: number },
  where: readonly number[],
): Promise<(Way & { ahead: Beam; used: number })[] | undefined> {
  const { separator, max_step_tokens, lookahead } = given;
  const whole = run.options.max_completion_length;
  const steps = await continued(
    run,
    asked,
    { stop: [separator], max_completion_length: max_step_tokens },
    where,
    given,
  );
  if (!steps) return undefined;
  const next = asked.map(({ state, beam }, i) => ({ state, beam: grown(beam, steps[i], separator, whole) }));
  const usedBy = (before: Beam, after: Beam) => after.tokens - before.tokens;
  const plain = next.map(({ state, beam }, i) => ({ state, beam, ahead: beam, used: usedBy(asked[i]!.beam, beam) }));
  if (lookahead === 0) return plain;
  const open = plain.filter(({ beam }) => beam.ended === undefined);
  const greedy = { temperature: 0, max_completion_length: lookahead };
  const rolled = await continued(run, open, greedy, [...where, "ahead"], given);
  if (!rolled) return undefined;
  for (const [i, way] of open.entries()) {
    way.ahead = grown(way.beam, rolled[i], undefined, Number.POSITIVE_INFINITY);
    way.used += usedBy(way.beam, way.ahead);
  }
  return plain;
}

/** What the model writes behind each; undefined where it could not be asked, such as for want of room. Nothing where it was stopped. */
async function continued(
  run: SearchRun,
  ways: readonly Way[],
  asked: Partial<SamplingOptions>,
  where: readonly (string | number)[],
  { scorer }: BeamOptions,
): Promise<(Generation | undefined)[] | undefined> {
  const { teacher, options, signal } = run;
  const top_logprobs = componentOf<ScorerComponent>(scorers, scorer.type, "scorer").top_logprobs ?? 0;
  const requests = ways.map(({ state: { problem }, beam }, i) => ({
    prompt: problem.rendered + beam.text,
    seed: deriveSeed(options.seed, problem.id, ...where, i),
    id: `${problem.id}-${where.join("-")}-${i}`,
  }));
  const given: (Generation | undefined)[] = ways.map(() => undefined);
  for await (const { index, generation } of teacher.generate(requests, drawing(run, { ...asked, top_logprobs }))) {
    if (generation) requireLogprobs(teacher, top_logprobs, generation);
    given[index] = generation;
  }
  return signal.aborted ? undefined : given;
}

/** A beginning with what was written behind it. */
function grown(beam: Beam, more: Generation | undefined, separator: string | undefined, limit: number): Beam {
  if (!more) return { ...beam, ended: "length" }; // there is no room for more
  const { completion, finish_reason, stopped_by } = more;
  // where the model does not tell what ended a step, one without words is the end
  const goesOn =
    finish_reason === "length" ||
    (separator !== undefined && (stopped_by ?? (completion.trim() === "" ? "token" : "text")) === "text");
  const ended = finish_reason === "stop" && goesOn;
  const tokens = beam.tokens + generatedTokens(more) + Number(ended); // that of the separator
  const counted = beam.counted + more.token_ids.length;
  const text = beam.text + completion + (ended ? separator : "");
  const grown: Beam = { text, tokens, logprob: beam.logprob + logprobOf(more), counted, score: 0 };
  if (!goesOn) return { ...grown, ended: "stop" };
  return tokens >= limit ? { ...grown, ended: "length" } : grown;
}
