/** @file Servers that are slow, and servers that say nothing. */

import type { Progress } from "./attempt.ts";
import type { Endpoint } from "./endpoint.ts";

/** A request that is under way at a server. */
export type Flight = Progress & { endpoint: Endpoint };

/** Where another server is idle, a request without a token is asked there after this many ms, or times the slowest answer. */
const [SLOW, TIMES] = [20_000, 5];

/** Requests that another server would have answered by now. */
export function late(
  flights: Iterable<Flight>,
  endpoints: readonly Endpoint[],
  slowest: number,
  now: number,
): Flight[] {
  if (endpoints.length < 2) return [];
  const idle = (but: Endpoint) => endpoints.some((one) => one !== but && one.free(now) && one.answered > 0);
  return [...flights].filter(
    ({ since, pieces, elsewhere, endpoint }) =>
      !elsewhere && pieces === 0 && now - since > Math.max(SLOW, TIMES * slowest) && idle(endpoint),
  );
}

/** That nobody has answered anything for longer than may be, as a sentence. */
export function silent(
  endpoints: readonly Endpoint[],
  patience: number,
  begun: number,
  now: number,
): string | undefined {
  const since = endpoints.map(({ identity, downSince }) => (identity ? downSince : begun));
  if (since.some((one) => one === undefined)) return undefined;
  if (now - Math.max(...(since as number[])) < 1000 * patience) return undefined;
  const why = endpoints.map(({ place, last }) => `${place.url}: ${last}`).join("; ");
  return `No server has answered for ${patience} s (${why}). What was drawn is kept; the same command continues.`;
}
