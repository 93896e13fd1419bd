/** @file The rejection sampler: several completions of every prompt, judged as they come, all of them kept. */

import { DistillError } from "../core/errors.ts";
import { startProgress } from "../core/progress.ts";
import type { Judgement, Prompt } from "../core/trace.ts";
import { nothingSpent, openJournal, type Spent } from "../data/journal.ts";
import { type Draw, generatedTokens } from "../data/traces.ts";
import { judge, type WeightedReward } from "../rewards/judge.ts";
import { type Budget, openBudget, type Price, type Reservation } from "../teachers/budget.ts";
import type { Finished, Teacher } from "../teachers/teacher.ts";
import { drawOf, type Request, requestFor } from "./draw.ts";
import { countedSamples, drawnIn, noteDrawn } from "./drawn.ts";
import { ENOUGH, type Forecast, forecast, type Measured } from "./forecast.ts";
import { inOrder } from "./in-order.ts";
import { type LedgerPlace, openTraceLedger, sampleOf } from "./ledger.ts";
import { answersOf, type SamplerOptions, wantedOf } from "./options.ts";
import { pendingTraces } from "./pending.ts";
import { type Next, openSchedule, type Schedule } from "./schedule.ts";

export type SamplingRun = {
  teacher: Teacher;
  prompts: readonly Prompt[];
  rewards: readonly WeightedReward[];
  options: SamplerOptions;
  /** Where traces are kept: what an earlier run drew is not drawn again. */
  ledger: LedgerPlace;
  /** What the teacher costs, where that is known. */
  price?: Price | undefined;
  /** What the progress line calls this, and accepted completions. */
  words?: { title: string; accepted: string };
  signal?: AbortSignal;
};

export type SamplingResult = {
  drawn: number;
  accepted: number;
  tokens: number;
  stopped: boolean;
  /** Prompts that could not be asked, and why. */
  failed: { prompt_id: string; error: string }[];
  /** Of a teacher that is paid for: what it was asked and cost, in this run and earlier ones. */
  spent?: Spent;
  /** What it was expected to take once the first answers were there. */
  foreseen?: Forecast;
  /** Why less was drawn than was asked for, where the budget did not allow more. */
  exhausted?: string;
};

/** Draw what is missing. `drawn`, `accepted` and `tokens` count this run and earlier ones. */
export async function sample(run: SamplingRun): Promise<SamplingResult> {
  const { teacher, prompts, options, signal, words = { title: "sample", accepted: "accepted" } } = run;
  const wanted = wantedOf(prompts, options);
  const ledger = await openTraceLedger(run.ledger, run.rewards, answersOf(wanted), signal ? { signal } : {});
  if (!ledger) return { drawn: 0, accepted: 0, tokens: 0, stopped: true, failed: [] };
  const { drawn, ...before } = drawnIn(ledger, wanted);
  let { tokens } = before;
  const counts = { drawn: 0, accepted: 0 };
  for (const id of drawn.keys()) {
    const { counted, accepted } = countedSamples(drawn.get(id), wanted);
    counts.drawn += counted.size;
    counts.accepted += accepted;
  }
  const failed = new Map<string, string>();
  const journal = teacher.paid ? openJournal(run.ledger.journal) : undefined;
  const used = journal?.spent() ?? {
    ...nothingSpent(),
    prompt_tokens: before.prompt_tokens,
    completion_tokens: tokens,
  };
  const budget = openBudget(options.budget ?? {}, run.price, used);
  let foreseen = journal?.noted<Forecast>(FORESEEN);
  const schedule = openSchedule(prompts, drawn, wanted, { rounds: options.budget !== undefined });
  schedule.refill();

  const progress = startProgress(words.title, counts.drawn + schedule.ready, "trace", counts.drawn);
  const start = performance.now();
  let [generated, exhausted] = [0, undefined as string | undefined]; // by this run, in the calls before
  const pending = pendingTraces(ledger);
  let noted: Promise<unknown> | undefined;
  try {
    for (; schedule.ready > 0 && !signal?.aborted && exhausted === undefined; schedule.refill()) {
      const had = counts.drawn;
      const asked: Asked[] = [];
      let running = 0;
      // of the first requests, not of the first answers: those are the short ones
      const measured: Measured = { answers: 0, accepted: 0, prompt_tokens: 0, completion_tokens: 0 };
      const onTokens = (now: number) => {
        running = now;
        const rate = (generated + running) / ((performance.now() - start) / 1000);
        const share =
          counts.drawn > 0 ? `${((100 * counts.accepted) / counts.drawn).toFixed(0)} % ${words.accepted} · ` : "";
        const underWay = asked.length - (counts.drawn - had);
        const total = counts.drawn + underWay + schedule.ready;
        progress.update(counts.drawn, `${share}${rate.toFixed(0)} tokens/s`, total);
      };
      let broken: unknown; // why nothing is judged any more
      const finished = teacher.generate(
        requestsOf(run, schedule, asked, budget, () => broken === undefined),
        {
          ...options,
          top_logprobs: options.top_logprobs ?? 0,
          onTokens,
          ...(signal ? { signal } : {}),
          ...(journal ? { journal } : {}),
          budget,
        },
      );
      const judging = inOrder<Judged>(({ draw, next, judged, index }) => {
        pending.judge({ answer: draw.answer, ...judged });
        noteDrawn(drawn, next.prompt.id, next.sample, judged.accepted);
        schedule.judged(next.prompt);
        tokens += generatedTokens(draw);
        counts.drawn++;
        if (judged.accepted) counts.accepted++;
        if (!foreseen && index < ENOUGH) {
          measured.answers++;
          if (judged.accepted) measured.accepted++;
          measured.prompt_tokens += draw.prompt_tokens;
          measured.completion_tokens += generatedTokens(draw);
          if (measured.answers === ENOUGH) {
            foreseen = forecast(prompts.length, measured, wanted, run.price);
            noted = journal?.note(FORESEEN, foreseen);
          }
        }
        onTokens(running);
      });
      for await (const outcome of named(finished, asked)) {
        const { next, request, reservation } = asked[outcome.index]!;
        const draw = drawOf(teacher, options, next, request, outcome);
        if (draw.error !== null) failed.set(next.prompt.id, draw.error);
        reservation?.settle({ prompt_tokens: draw.prompt_tokens, completion_tokens: generatedTokens(draw) });
        pending.draw(draw);
        if (broken) continue;
        judging.add(
          judge(run.rewards, sampleOf(draw)).then((judged) => ({ draw, next, judged, index: outcome.index })),
        );
        // rules that take their time run beside the teacher, as long as it has something to do without them
        try {
          await judging.until(schedule.ready > 0 ? MOST_OPEN : 0);
        } catch (error) {
          if (!teacher.paid || signal?.aborted) throw error;
          broken = error;
          console.error(`${(error as Error).message}\nAnswers that are under way, and paid for, are waited for.`);
        }
      }
      if (broken) throw broken;
      if (signal?.aborted) judging.tell();
      else await judging.until(0);
      await noted;
      generated += running;
      if (counts.drawn === had && !signal?.aborted) exhausted = refusalOf(run, budget, asked, schedule);
    }
  } finally {
    try {
      pending.end();
    } finally {
      ledger.close();
      await journal?.close();
      progress.end();
    }
  }
  if (exhausted !== undefined && counts.drawn === 0 && !signal?.aborted)
    throw new DistillError(`Nothing can be drawn: ${exhausted}. Raise sampling.budget.`);
  return {
    ...counts,
    tokens,
    stopped: signal?.aborted ?? false,
    failed: [...failed].map(([prompt_id, error]) => ({ prompt_id, error })),
    ...(journal ? { spent: journal.spent() } : {}),
    ...(foreseen ? { foreseen } : {}),
    ...(exhausted === undefined ? {} : { exhausted }),
  };
}

/** Answers that wait for their verdict at once. */
const MOST_OPEN = 256;

type Judged = { draw: Draw; next: Next; judged: Judgement; index: number };

/** What the journal calls it. */
const FORESEEN = "forecast";

type Asked = { next: Next; request: Request; reservation?: Reservation };

/** What is asked, one after the other; of a teacher that is not paid for as far as the budget goes. */
function* requestsOf(
  { teacher, options }: SamplingRun,
  schedule: Schedule,
  asked: Asked[],
  budget: Budget,
  goesOn: () => boolean,
): Generator<Request> {
  for (let next = schedule.next(); next && goesOn(); next = schedule.next()) {
    const request = requestFor(teacher, next.prompt, next.sample, options);
    const reservation = teacher.paid ? undefined : budget.reserve(mostOf(request, options));
    if (!teacher.paid && !reservation) {
      schedule.back(next);
      return;
    }
    asked.push({ next, request, ...(reservation ? { reservation } : {}) });
    yield request;
  }
}

/** The most tokens that a request may take: each of its prompt has a byte at least. */
const mostOf = ({ prompt }: Request, { max_completion_length }: SamplerOptions) => ({
  prompt_tokens: Buffer.byteLength(prompt) + 1,
  completion_tokens: max_completion_length,
});

/** Why nothing more was drawn; nothing where that was not the budget. */
function refusalOf(
  { teacher, options }: SamplingRun,
  budget: Budget,
  asked: readonly Asked[],
  schedule: Schedule,
): string | undefined {
  const next = asked[0]?.next ?? schedule.next();
  return (
    next && (budget.refusal(mostOf(requestFor(teacher, next.prompt, next.sample, options), options)) ?? NOTHING_LEFT)
  );
}

const NOTHING_LEFT = "the teacher gave nothing more";

/** What a teacher gives; what ends it is told with the prompts that it was at. */
async function* named(finished: AsyncIterable<Finished>, asked: readonly Asked[]): AsyncGenerator<Finished> {
  const answered = new Set<number>();
  try {
    for await (const one of finished) {
      answered.add(one.index);
      yield one;
    }
  } catch (error) {
    if (!(error instanceof DistillError)) throw error;
    const next = asked.find((_, index) => !answered.has(index));
    const where = next === undefined ? "" : ` (the first prompt without an answer is "${next.next.prompt.id}")`;
    throw new DistillError(`${error.message.replace(/\.$/, "")}${where}.`, { cause: error });
  }
}
