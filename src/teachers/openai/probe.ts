/** @file A few short requests before the first: whether the server does what it is asked for, or only says 200. */

import { DistillError } from "../../core/errors.ts";
import type { Budget } from "../budget.ts";
import type { Answer } from "./answer.ts";
import { type Asking, attempt, type Client } from "./attempt.ts";
import { mostPromptTokens } from "./body.ts";
import { fatalSentence } from "./decision.ts";
import { mostOf } from "./used.ts";

const QUESTION = "Write down some words that come to your mind.";
/** Tokens of an answer: enough for two draws to differ. */
const SHORT = 16;
/** What the journal calls it. */
const NAME = "probe";

/** Ask, once for a journal; say what the server ignores. What makes its answers useless is thrown. */
export async function probe(client: Client, asked: Asking & { budget: Budget }): Promise<void> {
  const { options, endpoints, names, told } = client;
  const { journal, budget, temperature, top_logprobs } = asked;
  const known = journal.noted<{ model: string | null }>(NAME);
  if (known?.model) names.add(known.model);
  const listed = endpoints.some(({ identity }) => identity?.listed);
  client.sure = known !== undefined || listed;
  if (known) return;
  if (!options.probe || options.batch) return requirePrice(client, budget, null);
  client.sure = true;
  const endpoint = endpoints.find(({ identity }) => identity)!;
  const { onText: _, ...silent } = asked;
  const short: Asking = { ...silent, temperature: Math.max(temperature, 1), max_completion_length: SHORT, stop: [] };
  const answers: Answer[] = [];
  // the same seed twice and another one, where seeds matter
  for (const [i, seed] of (temperature > 0 ? [1, 1, 2] : [1]).entries()) {
    const request = { prompt: QUESTION, messages: [{ role: "user", content: QUESTION }], seed };
    const question = {
      index: i,
      request,
      id: `${NAME}-${i + 1}`,
      prompt_tokens: mostPromptTokens(request, client.tokenizer),
    };
    const most = mostOf(question, short, client);
    const reservation = budget.reserve(most);
    if (!reservation) return;
    const progress = { since: Date.now(), abort: new AbortController(), pieces: 0, elsewhere: false };
    const stop = () => progress.abort.abort();
    asked.signal?.addEventListener("abort", stop, { once: true });
    try {
      const { answer, fault, ending } = await attempt(client, question, endpoint, most, short, progress);
      reservation.settle(ending.used);
      if (fault?.outcome === "fatal") throw new DistillError(fatalSentence(endpoint, fault.reason, options));
      if (fault?.outcome === "lying" && /an answer of the model/.test(fault.reason))
        throw new DistillError(
          `${endpoint.place.url} gave ${fault.reason}. Name the model that is meant as teacher.model; where that is the same one under another name, as behind a gateway, give it in teacher.answers_as.`,
        );
      if (!answer) {
        client.sure = listed;
        return; // what is wrong is seen in the run
      }
      answers.push(answer);
      if (answers.length === 1) requirePrice(client, budget, answer.usage.cost);
      const { completion_tokens } = answer.usage;
      if (completion_tokens > 2 * SHORT && client.longest === 0)
        told(
          `${endpoint.place.url} answers with ${completion_tokens} tokens where at most ${SHORT} are asked for: it does not keep to max_completion_length.`,
        );
      if (completion_tokens > 2 * SHORT) client.longest = Math.max(client.longest, completion_tokens);
    } finally {
      asked.signal?.removeEventListener("abort", stop);
      reservation.settle({ prompt_tokens: 0, completion_tokens: 0, cost: 0 });
    }
  }
  const [first, second, third] = answers;
  const { url } = endpoint.place;
  if (top_logprobs > 0 && !first!.top_logprobs)
    throw new DistillError(
      `${url} gives no ids with log-probabilities of the ${top_logprobs} most likely tokens. Leave sampling.top_logprobs out, or take a server that does, such as vLLM or llama-server.`,
    );
  if (second && first!.completion !== second.completion)
    told(`${url} ignores the seed: the same request draws another answer each time, so this run cannot be repeated.`);
  else if (second && third && first!.completion === third.completion)
    told(
      `${url} answers other seeds alike: it may ignore temperature and seed, and samples of one prompt may be equal.`,
    );
  await journal.note(NAME, { model: first!.model });
}

/** Refuse to spend money of which nobody knows how much it is. */
function requirePrice({ names, endpoints }: Client, { limits, price }: Budget, cost: number | null): void {
  if (limits.money === undefined || price || cost !== null) return;
  throw new DistillError(
    `A budget of money is given, and nobody knows what ${[...names][0]} costs at ${endpoints[0]!.place.url}: neither the recipe (teacher.price), nor the answer, nor the table of prices. Give teacher.price, or a budget of tokens.`,
  );
}
