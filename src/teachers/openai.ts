/** @file A model behind a server that speaks OpenAI's protocol, or behind several. */

import { DistillError } from "../core/errors.ts";
import { nothingSpent, openJournal } from "../data/journal.ts";
import { templateOf } from "../data/templates.ts";
import { loadTokenizer } from "../data/tokenizer.ts";
import { vocabularyOf } from "../data/vocabulary.ts";
import { openBudget } from "./budget.ts";
import type { Client } from "./openai/attempt.ts";
import { askInBatches } from "./openai/batch.ts";
import { ask } from "./openai/client.ts";
import { openEndpoint } from "./openai/endpoint.ts";
import { openConnections } from "./openai/exchange.ts";
import { meet } from "./openai/meet.ts";
import { Options } from "./openai/options.ts";
import { priceOf } from "./openai/price.ts";
import { placesOf } from "./openai/secrets.ts";
import { defineTeacher, type Teacher } from "./teacher.ts";

export const openai = defineTeacher({
  options: Options.describe("A model behind a server that speaks OpenAI's protocol."),
  tokenizer: true,
  template: ({ chat_template, tokenizer }) =>
    chat_template ?? (tokenizer ? loadTokenizer(tokenizer).template : undefined),
  price: priceOf,
  create: open,
});

async function open(options: Options): Promise<Teacher> {
  const { places, mask } = placesOf(options);
  const tokenizer = options.tokenizer === undefined ? undefined : loadTokenizer(options.tokenizer);
  if (options.endpoint === "completions" && !options.chat_template && !tokenizer?.template)
    throw new DistillError(
      'With endpoint: completions this side writes the text that the model continues, and the recipe does not say how: give teacher.tokenizer (a folder with the model\'s tokenizer), or teacher.chat_template ("plain", "r1" or a Jinja text), or take endpoint: chat.',
    );
  const { timeouts, max_concurrency } = options;
  const endpoints = await Promise.all(
    places.map(async (place) => openEndpoint(place, await openConnections(timeouts, max_concurrency), max_concurrency)),
  );
  const close = async () => {
    await Promise.all(endpoints.map(({ connections }) => connections.close()));
  };
  try {
    await meet(endpoints, options, mask);
  } catch (error) {
    await close();
    throw error;
  }
  const known = endpoints.flatMap(({ identity }) => identity ?? []);
  const client: Client = {
    options,
    endpoints,
    names: new Set([...known.flatMap(({ names }) => names), ...options.answers_as]),
    sure: false,
    longest: 0,
    tokenizer,
    price: priceOf({ ...options, model: known[0]!.model }),
    mask,
    // over the line that shows progress
    told: (sentence) => console.error(process.stderr.isTTY ? `\r\x1b[K${sentence}` : sentence),
  };
  const written = tokenizer?.written ?? { bos: "", eos: "" };
  const render = templateOf(options.chat_template ?? tokenizer?.template ?? "plain", undefined, "the server", written);
  return {
    model: known[0]!.model,
    paid: true,
    continues: options.endpoint !== "chat",
    render: (messages) => render(messages, { generate: true }),
    generate: (
      requests,
      { journal = openJournal(), budget = openBudget({}, client.price, nothingSpent()), ...asked },
    ) => (options.batch ? askInBatches : ask)(client, requests, { ...asked, journal, budget }),
    vocabulary() {
      if (tokenizer) return vocabularyOf(tokenizer);
      throw new DistillError(
        "A server does not tell its vocabulary. Give teacher.tokenizer, a folder with the model's tokenizer.",
      );
    },
    close,
  };
}
