/** @file The servers of a recipe, asked who they are before anything else. */

import { setTimeout as sleep } from "node:timers/promises";
import { DistillError } from "../../core/errors.ts";
import { fatalSentence } from "./decision.ts";
import type { Endpoint } from "./endpoint.ts";
import { acquaint } from "./identify.ts";
import type { Options } from "./options.ts";
import type { Mask } from "./secrets.ts";

/** Milliseconds between two tries to reach a server that is only starting, and how long one is waited for that is not there. */
const [PAUSE, ABSENT] = [500, 3000];

/** Ask all servers who they are. At least one answers, else why not is thrown. */
export async function meet(endpoints: readonly Endpoint[], options: Options, mask: Mask): Promise<void> {
  const { model, patience } = options;
  const begun = Date.now();
  let waited = false;
  while (true) {
    const fatal: DistillError[] = [];
    const met = endpoints.map(async (endpoint) => {
      if (endpoint.identity) return;
      const reason = await acquaint(endpoint, model, mask);
      if (reason !== undefined) fatal.push(new DistillError(fatalSentence(endpoint, reason, options)));
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
