/**
 * @file Questions to a judge: those that are open at once are asked together, the same one is asked once, and what was
 * answered is kept in a journal, whoever answers.
 */

import { DistillError, Stopped } from "../core/errors.ts";
import { contentHash } from "../core/hash.ts";
import { deriveSeed } from "../core/random.ts";
import type { FinishReason } from "../core/trace.ts";
import type { Journal } from "../data/journal.ts";
import { generatedTokens } from "../data/traces.ts";
import type { Budget, Reservation } from "../teachers/budget.ts";
import type { Finished, SampleRequest, Teacher } from "../teachers/teacher.ts";

/** What came of a question; an error is of this question alone. */
export type Answered = { completion: string; finish_reason: FinishReason } | { error: string };

export type Asking = {
  /** Opened with the first question. */
  open: () => Promise<{ teacher: Teacher; budget: Budget }>;
  journal: Journal;
  temperature: number;
  max_completion_length: number;
  /** Why nothing more is asked, where the budget does not allow it. */
  usedUp: (refusal: string) => string;
  signal?: AbortSignal | undefined;
};

type Question = {
  request: SampleRequest & { id: string };
  give(answer: Answered): void;
  fail(error: unknown): void;
  reservation?: Reservation;
};

/** A question is a text of a user's. Questions of one call of `generate` are added to as long as it takes more. */
export function openAsking({ open, journal, usedUp, signal, ...options }: Asking) {
  const asked = new Map<string, Promise<Answered>>();
  const queue: Question[] = [];
  let opened: Awaited<ReturnType<Asking["open"]>> | undefined;
  let working: Promise<void> | undefined;
  let ended: unknown; // why nothing is answered any more

  async function work(): Promise<void> {
    await new Promise(setImmediate); // questions that come together are asked together
    let taken: Question[] = [];
    try {
      opened ??= await open();
      while (queue.length > 0) {
        taken = [];
        if (signal?.aborted) throw new Stopped();
        await round(opened.teacher, opened.budget, taken);
        if (signal?.aborted) throw new Stopped();
        const left = taken.find(({ request }) => !done.has(request.id)) ?? (taken.length === 0 ? queue[0] : undefined);
        if (left) throw new DistillError(usedUp(opened.budget.refusal(mostOf(left.request)) ?? "it gave nothing more"));
      }
    } catch (error) {
      ended = error;
      for (const { fail } of [...taken, ...queue.splice(0)]) fail(error);
    } finally {
      working = undefined;
    }
  }

  const done = new Set<string>();

  /** Ask what is open, as far as the budget goes. */
  async function round(teacher: Teacher, budget: Budget, taken: Question[]): Promise<void> {
    function* requests(): Generator<SampleRequest> {
      for (let next = queue[0]; next; next = queue[0]) {
        if (!teacher.paid) {
          const reservation = budget.reserve(mostOf(next.request));
          if (!reservation) return;
          next.reservation = reservation;
        }
        taken.push(queue.shift()!);
        yield { ...next.request, prompt: teacher.render(next.request.messages!) };
      }
    }
    const { temperature, max_completion_length } = options;
    const finished = teacher.generate(requests(), {
      ...{ temperature, max_completion_length, top_p: 1, top_k: 0, min_p: 0, stop: [], top_logprobs: 0 },
      ...{ journal, budget },
      ...(signal ? { signal } : {}),
    });
    for await (const one of finished) {
      const question = taken[one.index]!;
      if (!teacher.paid) await keep(question, one);
      done.add(question.request.id);
      const { generation, error } = one;
      question.give(
        error === undefined
          ? { completion: generation.completion, finish_reason: generation.finish_reason }
          : { error },
      );
    }
  }

  /** What is not paid for is kept as well: it took its time. */
  async function keep({ request: { id, seed }, reservation }: Question, { generation }: Finished): Promise<void> {
    const { prompt_tokens = 0, completion = "", finish_reason } = generation ?? {};
    const used = { prompt_tokens, completion_tokens: generation ? generatedTokens(generation) : 0, cost: 0 };
    reservation?.settle(used);
    if (!generation) return;
    const body = Buffer.from(JSON.stringify({ completion, finish_reason }));
    const ending = { outcome: "complete" as const, reason: null, status: null, stream: false, body, certain: true };
    await journal.end(
      { id, attempt: journal.next(id), endpoint: "", seed, most: used },
      { ...ending, used, latency: 0 },
    );
  }

  /** The most that a question may take: each token of it has a byte at least. */
  const mostOf = ({ messages }: SampleRequest) => ({
    prompt_tokens: Buffer.byteLength(messages!.map(({ content }) => content).join("")) + ROLES,
    completion_tokens: options.max_completion_length,
  });

  return {
    ask(text: string): Promise<Answered> {
      const id = contentHash(text);
      const known = asked.get(id) ?? keptAnswer(journal, id);
      const answer =
        known ??
        new Promise<Answered>((give, fail) => {
          if (signal?.aborted) return fail(new Stopped());
          if (ended !== undefined) return fail(ended);
          const messages = [{ role: "user", content: text }];
          queue.push({ request: { prompt: text, messages, id, seed: deriveSeed(0, "judge", id) }, give, fail });
          working ??= work();
        });
      asked.set(id, answer);
      return answer;
    },
    /** The model, once it was asked something. */
    model: () => opened?.teacher.model,
    async close() {
      await working;
      await opened?.teacher.close();
    },
  };
}

/** Bytes that a template writes around a question. */
const ROLES = 256;

/** What a model in this process answered, in this run or an earlier one; the journal of a server's is read by its teacher. */
function keptAnswer(journal: Journal, id: string): Promise<Answered> | undefined {
  const kept = journal.answer(id);
  if (!kept || kept.endpoint !== "") return undefined;
  return Promise.resolve(JSON.parse(Buffer.from(kept.body!).toString("utf8")) as Answered);
}
