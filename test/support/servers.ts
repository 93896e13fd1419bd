/** @file Teachers in front of test servers. */

import type { z } from "zod";
import type { Journal } from "../../src/data/journal.ts";
import type { Budget } from "../../src/teachers/budget.ts";
import { openai } from "../../src/teachers/openai.ts";
import type { Finished, GenerateOptions, Teacher } from "../../src/teachers/teacher.ts";
import { type ServerOptions, startServer } from "./server.ts";

export const SAMPLING: GenerateOptions = {
  temperature: 1,
  top_p: 1,
  top_k: 0,
  min_p: 0,
  max_completion_length: 64,
  stop: [],
  top_logprobs: 0,
};

/** No probe, and short clocks. */
export const QUICK = { probe: false, patience: 20, timeouts: { first: 5, stall: 0.3, answer: 5 } };

type Given = Partial<z.input<typeof openai.options>>;

/** A server and a teacher that asks it. */
export async function openServer(options: ServerOptions, given: Given = {}) {
  const server = await startServer(options);
  const teacher = await openai.create(openai.options.parse({ base_url: `${server.url}/v1`, ...given }));
  return {
    server,
    teacher,
    async close() {
      await teacher.close();
      await server.close();
    },
  };
}

/** Ask all questions, each with its number as its seed; what became of each, by number. */
export async function askAll(
  teacher: Teacher,
  questions: readonly string[],
  asked: { journal?: Journal; budget?: Budget; signal?: AbortSignal } & Partial<GenerateOptions> = {},
  into = new Map<number, unknown>(),
): Promise<Map<number, Finished>> {
  const requests = questions.map((prompt, i) => ({
    prompt,
    messages: [{ role: "user", content: prompt }],
    seed: i,
    id: `q-${i}`,
  }));
  for await (const one of teacher.generate(requests, { ...SAMPLING, ...asked })) {
    if (into.has(one.index)) throw new Error(`${one.index} was answered twice`);
    into.set(one.index, one);
  }
  return into as Map<number, Finished>;
}
