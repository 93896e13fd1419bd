/** @file A model behind a server that speaks OpenAI's protocol, or behind several. */

import { setTimeout as sleep } from "node:timers/promises";
import { DistillError } from "../core/errors.ts";
import { openJournal } from "../data/journal.ts";
import { loadTokenizer } from "../data/tokenizer.ts";
import { vocabularyOf } from "../data/vocabulary.ts";
import { nothingSpent, openBudget } from "./budget.ts";
import type { Client } from "./openai/attempt.ts";
import { askInBatches } from "./openai/batch.ts";
import { ask } from "./openai/client.ts";
import { fatalSentence } from "./openai/decision.ts";
import { type Endpoint, openEndpoint } from "./openai/endpoint.ts";
import { openConnections } from "./openai/exchange.ts";
import { identify } from "./openai/identify.ts";
import { Options } from "./openai/options.ts";
import { priceOf } from "./openai/price.ts";
import { placesOf } from "./openai/secrets.ts";
import { defineTeacher, type Teacher } from "./teacher.ts";
import { templateOf } from "./templates.ts";

export const openai = defineTeacher({
  options: Options,
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
    await meet(endpoints, options, mask.text);
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

/** Milliseconds between two tries to reach a server that is only starting, and how long one is waited for that is not there. */
const [PAUSE, ABSENT] = [500, 3000];

/** Ask all servers who they are. At least one answers, else why not is thrown. */
async function meet(endpoints: readonly Endpoint[], options: Options, mask: (text: string) => string) {
  const { model, patience } = options;
  const begun = Date.now();
  let waited = false;
  while (true) {
    const fatal: DistillError[] = [];
    const met = endpoints.map(async (endpoint) => {
      if (endpoint.identity) return;
      const { place, connections } = endpoint;
      const found = await identify(place, model, connections);
      if (!("outcome" in found)) endpoint.identity = found;
      else if (found.outcome === "fatal") {
        fatal.push(new DistillError(fatalSentence(endpoint, mask(found.reason), options)));
        endpoint.leave(mask(found.reason), Number.POSITIVE_INFINITY);
      } else endpoint.unreachable(mask(found.reason));
    });
    // one that says nothing does not keep the others waiting
    const first = Promise.any(met.map((one, i) => one.then(() => endpoints[i]!.identity ?? Promise.reject())));
    await Promise.race([Promise.all(met), first.then(() => sleep(PAUSE)).catch(() => Promise.all(met))]);
    for (const one of met) one.catch(() => {});
    if (fatal.length > 0 && endpoints.every(({ identity }) => !identity)) throw fatal[0]!;
    for (const { message } of fatal) console.error(`${message} The others go on.`);
    const missing = endpoints.filter(({ identity }) => !identity);
    if (missing.length < endpoints.length) {
      for (const { place, last } of missing)
        console.error(
          `${place.url} does not answer${last ? ` (${last})` : ""}; it is tried again while the others work.`,
        );
      return;
    }
    const loading = missing.some(({ last }) => /503|loading/i.test(last));
    if (Date.now() - begun > (loading ? 1000 * patience : ABSENT))
      throw new DistillError(
        `${missing.map(({ place, last }) => `${place.url} does not answer (${last.replace(/\.$/, "")})`).join("; ")}. Is the server started, and is teacher.base_url its address?`,
      );
    if (loading && !waited) console.log(`${missing[0]!.place.url} is loading its model; it is waited for.`);
    waited = true;
    await sleep(PAUSE);
  }
}
