/** @file The rejection sampler: several completions of every prompt, judged as they come, all of them kept. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { startProgress } from "../core/progress.ts";
import { deriveSeed } from "../core/random.ts";
import type { Message, Prompt } from "../core/trace.ts";
import { openDataset } from "../data/dataset-folder.ts";
import { readTraces, reasoningOf, type Trace, tracesTable } from "../data/traces.ts";
import { judge, type WeightedReward } from "../rewards/judge.ts";
import type { Generation, Teacher } from "../teachers/teacher.ts";

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
  seed: z.int().nonnegative().default(0),
});
export type SamplerOptions = z.output<typeof SamplerOptions>;

export type SamplingRun = {
  teacher: Teacher;
  prompts: readonly Prompt[];
  rewards: readonly WeightedReward[];
  options: SamplerOptions;
  /** The dataset of traces: what an earlier run drew is not drawn again. */
  folder: string;
  /** What the progress line calls this, and accepted completions. */
  words?: { title: string; accepted: string };
  signal?: AbortSignal;
};

export type SamplingResult = { drawn: number; accepted: number; tokens: number; stopped: boolean };

/** Traces that may be lost where the process is killed. */
const BATCH = 64;

/** Draw what is missing. `drawn`, `accepted` and `tokens` count this run and earlier ones. */
export async function sample(run: SamplingRun): Promise<SamplingResult> {
  const { teacher, prompts, options, folder, signal, words = { title: "sample", accepted: "accepted" } } = run;
  const done = new Set<string>();
  const accepted = new Map<string, number>();
  let tokens = 0;
  const count = (trace: Trace) => {
    done.add(keyOf(trace.prompt_id, trace.sample));
    accepted.set(trace.prompt_id, (accepted.get(trace.prompt_id) ?? 0) + Number(trace.accepted));
    tokens += trace.token_ids.length;
  };
  for (const trace of readTraces(folder)) count(trace);
  // with a limit of accepted ones a round is over before the next begins, so that the same are drawn on every machine
  const all = Array.from({ length: options.num_generations }, (_, sample) =>
    prompts.map((prompt) => ({ prompt, sample })),
  );
  const rounds = options.max_accepted === undefined ? [prompts.flatMap((_, i) => all.map((round) => round[i]!))] : all;

  const progress = startProgress(words.title, rounds[0]!.length, "trace", done.size);
  const start = performance.now();
  let generated = 0; // by this run, in the rounds before
  const writer = openDataset(folder);
  let pending: Trace[] = [];
  const flush = () => {
    const traces = pending;
    pending = [];
    if (traces.length > 0) writer.append(tracesTable(traces));
    for (const trace of traces) count(trace);
  };
  try {
    for (const round of rounds) {
      const open = round.filter(
        ({ prompt, sample }) =>
          !done.has(keyOf(prompt.id, sample)) &&
          (options.max_accepted === undefined || (accepted.get(prompt.id) ?? 0) < options.max_accepted),
      );
      const requests = open.map(({ prompt, sample }) => {
        const messages = conversationOf(prompt, options);
        return { prompt: teacher.render(messages), messages, seed: deriveSeed(options.seed, prompt.id, sample) };
      });
      const total = done.size + open.length;
      let running = 0;
      const onTokens = (inRound: number) => {
        running = inRound;
        const rate = (generated + running) / ((performance.now() - start) / 1000);
        progress.update(done.size + pending.length, details(accepted, pending, done.size, rate, words.accepted), total);
      };
      for await (const { index, generation } of teacher.generate(requests, {
        ...options,
        top_logprobs: 0,
        onTokens,
        ...(signal ? { signal } : {}),
      })) {
        const { prompt, sample } = open[index]!;
        pending.push(await traceOf(run, prompt, sample, requests[index]!, generation));
        if (pending.length >= BATCH) flush();
        onTokens(running);
      }
      flush();
      generated += running;
      if (signal?.aborted) break;
    }
    flush();
  } finally {
    writer.close();
    progress.end();
  }
  const kept = [...accepted.values()].reduce((a, b) => a + b, 0);
  return { drawn: done.size, accepted: kept, tokens, stopped: signal?.aborted ?? false };
}

const keyOf = (prompt_id: string, sample: number) => JSON.stringify([prompt_id, sample]);

/** What is asked: the question, behind the system's turn where there is one. */
export function conversationOf(
  { prompt }: Prompt,
  { system_prompt }: Pick<SamplerOptions, "system_prompt">,
): Message[] {
  const user = { role: "user", content: prompt };
  return system_prompt === undefined ? [user] : [{ role: "system", content: system_prompt }, user];
}

function details(
  accepted: Map<string, number>,
  pending: readonly Trace[],
  done: number,
  rate: number,
  word: string,
): string {
  const kept = [...accepted.values()].reduce((a, b) => a + b, 0) + pending.filter((trace) => trace.accepted).length;
  const all = done + pending.length;
  return `${all > 0 ? `${((100 * kept) / all).toFixed(0)} % ${word} · ` : ""}${rate.toFixed(0)} tokens/s`;
}

async function traceOf(
  { teacher, rewards, options }: SamplingRun,
  prompt: Prompt,
  sample: number,
  { messages, prompt: prompt_text, seed }: { messages: Message[]; prompt: string; seed: number },
  { completion, token_ids, prompt_tokens, finish_reason }: Generation,
): Promise<Trace> {
  const { temperature, top_p, top_k, min_p, max_completion_length } = options;
  const judged = await judge(rewards, {
    prompt: prompt.prompt,
    completion,
    finish_reason,
    num_tokens: token_ids.length,
    ...(prompt.answer === undefined ? {} : { answer: prompt.answer }),
  });
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
    teacher: teacher.model,
    teacher_hash: teacher.hash ?? null,
    temperature,
    top_p,
    top_k,
    min_p,
    max_completion_length,
    seed,
    ...judged,
  };
}

/** Refuse prompts without answers where a rule compares with them, before anything is drawn. */
export function requireAnswers(prompts: readonly Prompt[], rule: string, path: string): void {
  const missing = prompts.filter(({ answer }) => answer === undefined || answer.trim() === "");
  if (missing.length > 0)
    throw new DistillError(
      `${missing.length} of ${prompts.length} prompts of ${path} have no answer (the first: "${missing[0]!.id}"), and the reward ${rule} compares with one. Give each an "answer", or leave ${rule} out.`,
    );
}
