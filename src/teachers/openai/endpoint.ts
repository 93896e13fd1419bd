/** @file A server as the client sees it: how much it carries, and when it is to be left alone. */

import type { Connections } from "./exchange.ts";
import type { Identity } from "./identify.ts";
import type { Place } from "./secrets.ts";

/** Requests at first where a server does not say how many it works on. */
const FIRST = 8;
/** Milliseconds without a request after a fault, doubled with each further one. */
const [SHORTEST, LONGEST] = [250, 30_000];
/** The most of them before a server that is not there is looked for again, which costs nothing. */
const ABSENT = 2000;
/** Requests that fail one after the other where it is the server that fails. */
const SEVERAL = 3;

export type Endpoint = {
  readonly place: Place;
  readonly connections: Connections;
  identity: Identity | undefined;
  /** Fields that it turned out not to take, and since when they are left out. */
  readonly refuses: Map<"stream_options" | "limit", number>;
  inFlight: number;
  /** Answers that it gave. */
  answered: number;
  /** Whether another request may be sent now. */
  free(now: number): boolean;
  /** The time at which it may be asked again. */
  readonly pausedUntil: number;
  /** Since when it has answered nothing, where the last that was heard of it was a fault. */
  readonly downSince: number | undefined;
  /** What the last fault was. */
  readonly last: string;
  /** Requests that it may have at once. */
  readonly limit: number;
  /** It answered, and may have said for how long it has no more. */
  succeeded(wait?: number): void;
  /** It did no work for a request that was sent at `sentAt`, and may have said for how long it is to be left alone. */
  refused(reason: string, sentAt: number, wait?: number): void;
  /** It failed at a request that was sent at `sentAt`, or could not be reached. */
  failed(reason: string, sentAt: number): void;
  unreachable(reason: string): void;
  /** It answers nobody, and is asked nothing for so many ms. */
  leave(reason: string, ms: number): void;
};

/** Requests that wait at a server, so that none of its places is empty while an answer is on its way and written down. */
const waiting = (slots: number) => Math.ceil(slots / 4);

/** Concurrency grows by one with each answer until the first refusal, later by one with each round of them, and is halved by a refusal. */
export function openEndpoint(place: Place, connections: Connections, max_concurrency: number): Endpoint {
  let limit = FIRST;
  let steady = false; // after the first refusal
  let [pausedUntil, lowered, counted, faults, failures] = [0, 0, 0, 0, 0];
  let downSince: number | undefined;
  let last = "";
  const most = () => {
    const slots = endpoint.identity?.slots;
    return Math.min(max_concurrency, slots === undefined ? max_concurrency : slots + waiting(slots));
  };
  const pause = (ms: number) => {
    pausedUntil = Math.max(pausedUntil, Date.now() + ms);
  };
  const endpoint: Endpoint = {
    place,
    connections,
    identity: undefined,
    refuses: new Map(),
    inFlight: 0,
    answered: 0,
    get pausedUntil() {
      return pausedUntil;
    },
    get downSince() {
      return downSince;
    },
    get last() {
      return last;
    },
    get limit() {
      const slots = endpoint.identity?.slots;
      const now = slots === undefined || steady ? limit : Math.max(limit, slots + waiting(slots));
      return Math.max(1, Math.min(most(), Math.floor(downSince === undefined ? now : 1)));
    },
    free: (now) => endpoint.identity !== undefined && now >= pausedUntil && endpoint.inFlight < endpoint.limit,
    succeeded(wait = 0) {
      pause(wait);
      endpoint.answered++;
      faults = failures = 0;
      downSince = undefined;
      limit = Math.min(most(), steady ? limit + 1 / limit : limit + 1);
    },
    refused(reason, sentAt, wait) {
      last = reason;
      // what was sent before the limit was lowered says nothing of the new one
      if (sentAt >= lowered) {
        faults++;
        limit = Math.max(1, Math.min(limit, endpoint.inFlight + 1) / 2);
        steady = true;
        lowered = Date.now();
      }
      // what it asks for, and more where that was not enough
      const longer =
        faults > 1 || wait === undefined ? Math.min(LONGEST, SHORTEST * 2 ** Math.min(Math.max(0, faults - 2), 10)) : 0;
      pause(Math.max(wait ?? 0, longer));
      if (endpoint.answered === 0 || faults > 20) downSince ??= Date.now();
    },
    failed(reason, sentAt) {
      last = reason;
      failures++;
      // what was under way when it failed is the same fault, and one request may have been at fault itself
      if (sentAt >= counted) {
        faults++;
        counted = Date.now();
      }
      if (failures < SEVERAL) return;
      downSince ??= Date.now();
      pause(Math.min(LONGEST, SHORTEST * 2 ** Math.min(Math.max(0, faults - 1), 10)));
    },
    unreachable(reason) {
      last = reason;
      downSince ??= Date.now();
      pause(Math.min(ABSENT, SHORTEST * 2 ** Math.min(faults++, 10)));
    },
    leave(reason, ms) {
      last = reason;
      downSince ??= Date.now();
      pause(ms);
    },
  };
  return endpoint;
}
