/** @file The rejection sampler: several completions of every prompt, judged as they come, all of them kept. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { startProgress } from "../core/progress.ts";
import { deriveSeed } from "../core/random.ts";
import type { Message, Prompt } from "../core/trace.ts";
import { storedTop } from "../data/likely.ts";
import { type Draw, reasoningOf } from "../data/traces.ts";
import { judge, type WeightedReward } from "../rewards/judge.ts";
import type { Finished, Generation, Teacher } from "../teachers/teacher.ts";
import {
  type Answers,
  countedSamples,
  drawnIn,
  type LedgerPlace,
  noteDrawn,
  openTraceLedger,
  sampleOf,
  type Wanted,
} from "./ledger.ts";
import { pendingTraces } from "./pending.ts";

export const SamplerOptions = z.object({
  /** Completions of each prompt. */
  num_generations: z.int().positive().default(4),
  /** No more completions of a prompt are drawn when so many were accepted; all are drawn unless given. */
  max_accepted: z.int().positive().optional(),
  temperature: z.number().nonnegative().default(0.6),
  top_p: z.number().gt(0).max(1).default(0.95),
  /** 0 is the whole vocabulary. */
  top_k: z.int().nonnegative().default(0),
  min_p: z.number().min(0).lt(1).default(0),
  max_completion_length: z.int().positive().default(2048),
  /** Texts that end a completion. */
  stop: z.array(z.string().min(1)).default([]),
  /** Put before every question as the system's turn. */
  system_prompt: z.string().optional(),
  /** How many most likely tokens are stored for each token, with the probability that is left; none unless given. */
  top_logprobs: z.int().positive().optional(),
  seed: z.int().nonnegative().default(0),
});
export type SamplerOptions = z.output<typeof SamplerOptions>;

export type SamplingRun = {
  teacher: Teacher;
  prompts: readonly Prompt[];
  rewards: readonly WeightedReward[];
  options: SamplerOptions;
  /** Where traces are kept: what an earlier run drew is not drawn again. */
  ledger: LedgerPlace;
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
};

/** What a draw hangs on beside its prompt; all other options say which draws there are. */
export const drawOptions = ({
  temperature,
  top_p,
  top_k,
  min_p,
  max_completion_length,
  stop,
  system_prompt,
  seed,
  top_logprobs,
}: SamplerOptions) => ({
  ...{ temperature, top_p, top_k, min_p, max_completion_length, stop, system_prompt, seed },
  ...(top_logprobs === undefined ? {} : { top_logprobs }),
});

/** What is asked for. */
export const wantedOf = (
  prompts: readonly Prompt[],
  { num_generations, max_accepted = Number.POSITIVE_INFINITY }: SamplerOptions,
): Wanted => ({
  prompts: new Map(prompts.map(({ id, prompt, answer = null }) => [id, { prompt, answer }])),
  num_generations,
  max_accepted,
});

/** The reference of a draw, where its prompt is still asked. */
export const answersOf =
  ({ prompts }: Wanted): Answers =>
  ({ prompt_id, prompt }) => {
    const known = prompts.get(prompt_id);
    return known?.prompt === prompt ? known.answer : undefined;
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
  // with a limit of accepted ones a round is over before the next begins, so that the same are drawn on every machine
  const all = Array.from({ length: options.num_generations }, (_, sample) =>
    prompts.map((prompt) => ({ prompt, sample })),
  );
  const rounds = options.max_accepted === undefined ? [prompts.flatMap((_, i) => all.map((round) => round[i]!))] : all;

  const progress = startProgress(words.title, rounds[0]!.length, "trace", counts.drawn);
  const start = performance.now();
  let generated = 0; // by this run, in the rounds before
  const pending = pendingTraces(ledger);
  try {
    for (const round of rounds) {
      const open = round.filter(
        ({ prompt: { id }, sample }) =>
          !drawn.get(id)?.has(sample) && countedSamples(drawn.get(id), wanted).accepted < wanted.max_accepted,
      );
      const requests = open.map(({ prompt, sample }) => {
        const messages = conversationOf(prompt, options);
        return { prompt: teacher.render(messages), messages, seed: deriveSeed(options.seed, prompt.id, sample) };
      });
      const total = counts.drawn + open.length;
      let running = 0;
      const onTokens = (inRound: number) => {
        running = inRound;
        const rate = (generated + running) / ((performance.now() - start) / 1000);
        const share =
          counts.drawn > 0 ? `${((100 * counts.accepted) / counts.drawn).toFixed(0)} % ${words.accepted} · ` : "";
        progress.update(counts.drawn, `${share}${rate.toFixed(0)} tokens/s`, total);
      };
      const finished = teacher.generate(requests, {
        ...options,
        top_logprobs: options.top_logprobs ?? 0,
        onTokens,
        ...(signal ? { signal } : {}),
      });
      for await (const { index, ...outcome } of named(finished, open)) {
        const { prompt, sample } = open[index]!;
        const draw = drawOf(run, prompt, sample, requests[index]!, outcome);
        if (draw.error !== null) failed.set(prompt.id, draw.error);
        pending.draw(draw);
        const judged = await judge(run.rewards, sampleOf(draw));
        pending.judge({ answer: draw.answer, ...judged });
        noteDrawn(drawn, prompt.id, sample, judged.accepted);
        tokens += draw.token_ids.length;
        counts.drawn++;
        if (judged.accepted) counts.accepted++;
        onTokens(running);
      }
      generated += running;
      if (signal?.aborted) break;
    }
  } finally {
    try {
      pending.end();
    } finally {
      ledger.close();
      progress.end();
    }
  }
  return {
    ...counts,
    tokens,
    stopped: signal?.aborted ?? false,
    failed: [...failed].map(([prompt_id, error]) => ({ prompt_id, error })),
  };
}

/** What a teacher gives; what ends it is told with the prompts that it was at. */
async function* named(
  finished: AsyncIterable<Finished>,
  open: readonly { prompt: Prompt }[],
): AsyncGenerator<Finished> {
  const left = new Set(open.keys());
  try {
    for await (const one of finished) {
      left.delete(one.index);
      yield one;
    }
  } catch (error) {
    if (!(error instanceof DistillError)) throw error;
    const [next] = left;
    const where = next === undefined ? "" : ` (the first prompt without an answer is "${open[next]!.prompt.id}")`;
    throw new DistillError(`${error.message.replace(/\.$/, "")}${where}.`, { cause: error });
  }
}

/** What is asked: the question, behind the system's turn where there is one. */
export function conversationOf(
  { prompt }: Prompt,
  { system_prompt }: Pick<SamplerOptions, "system_prompt">,
): Message[] {
  const user = { role: "user", content: prompt };
  return system_prompt === undefined ? [user] : [{ role: "system", content: system_prompt }, user];
}

function drawOf(
  { teacher, options }: SamplingRun,
  prompt: Prompt,
  sample: number,
  { messages, prompt: prompt_text, seed }: { messages: Message[]; prompt: string; seed: number },
  { generation, error }: Pick<Finished, "generation" | "error">,
): Draw {
  const { temperature, top_p, top_k, min_p, max_completion_length, top_logprobs } = options;
  const { completion, token_ids, prompt_tokens, finish_reason, ...given } = generation ?? NOTHING;
  return {
    prompt_id: prompt.id,
    sample,
    prompt: prompt.prompt,
    answer: prompt.answer ?? null,
    messages,
    prompt_text,
    reasoning: reasoningOf(completion),
    completion,
    token_ids,
    prompt_tokens,
    finish_reason,
    error: error ?? null,
    teacher: teacher.model,
    teacher_hash: teacher.hash ?? null,
    temperature,
    top_p,
    top_k,
    min_p,
    max_completion_length,
    seed,
    ...(top_logprobs === undefined ? {} : storedTop(given.top_logprobs ?? [], top_logprobs)),
  };
}

/** Of a prompt that could not be asked. */
const NOTHING: Generation = { completion: "", token_ids: [], prompt_tokens: 0, finish_reason: "error" };

/** Refuse prompts without answers where a rule compares with them, before anything is drawn. */
export function requireAnswers(prompts: readonly Prompt[], rule: string, path: string): void {
  const missing = prompts.filter(({ answer }) => answer === undefined || answer.trim() === "");
  if (missing.length > 0)
    throw new DistillError(
      `${missing.length} of ${prompts.length} prompts of ${path} have no answer (the first: "${missing[0]!.id}"), and the reward ${rule} compares with one. Give each an "answer", or leave ${rule} out.`,
    );
}
