/**
 * @file Requests to servers: which is sent where and when, what of it is written down before and after, and what becomes of
 * those that were not answered. An answer that is complete is never asked for again.
 */

import { DistillError } from "../../core/errors.ts";
import type { Journal, Used } from "../../data/journal.ts";
import type { Budget, Reservation } from "../budget.ts";
import type { Finished, GenerateOptions, SampleRequest } from "../teacher.ts";
import { attempt, type Client, type Question, tooLongFor } from "./attempt.ts";
import { requireNoBatches } from "./batch.ts";
import { mostPromptTokens } from "./body.ts";
import { decisionOn, tooSlow } from "./decision.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Fault } from "./faults.ts";
import { acquaint } from "./identify.ts";
import { type Given, given, known } from "./judged.ts";
import { keptBack } from "./kept-back.ts";
import { probe } from "./probe.ts";
import { mostOf } from "./used.ts";
import { type Flight, late, silent } from "./watch.ts";

/** A request on its way. */
type Work = Question & {
  index: number;
  /** Servers that failed at it. */
  avoid: ReadonlySet<Endpoint>;
};

/** Answers that wait for the reader. */
const AHEAD = 256;

export async function* ask(
  client: Client,
  requests: Iterable<SampleRequest>,
  asked: GenerateOptions & { journal: Journal; budget: Budget },
): AsyncGenerator<Finished> {
  const { options, endpoints, told, mask } = client;
  const { journal, budget, signal } = asked;
  const source = requests[Symbol.iterator]();
  const again: Work[] = [];
  const done: Finished[] = [];
  const back = keptBack();
  const flights = new Set<Flight>();
  const identifying = new Set<Endpoint>();
  let held: Work | undefined; // the next one, taken and not sent yet
  let short = false; // the budget has nothing left for it now
  let [taken, answers, slowest, written] = [0, 0, 0, 0];
  let ended = false;
  let failure: unknown;
  let wake = () => {};
  const begun = Date.now();

  /** Whether requests like these are answered: by this process, by an earlier one, or by nobody as far as is known. */
  const others = () => (answers > 0 ? "answered" : journal.spent().requests > 0 ? "once" : "never");
  const stop = () => {
    for (const { abort } of flights) abort.abort();
    wake();
  };
  signal?.addEventListener("abort", stop, { once: true });
  const tokensNow = () => {
    let all = written;
    for (const { pieces } of flights) all += pieces;
    asked.onTokens?.(all);
  };
  const fail = (error: unknown) => {
    failure ??= error;
    wake();
  };

  /** Whether a server answers that has not failed at a request. */
  const hasOthers = ({ avoid }: Pick<Work, "avoid">) =>
    endpoints.some((endpoint) => endpoint.identity && endpoint.downSince === undefined && !avoid.has(endpoint));

  /** The next request for one of these servers; those whose answer is known are done. */
  function next(free: readonly Endpoint[]): Work | undefined {
    if (held) return held;
    const retry = again.findIndex((work) => free.some((one) => !work.avoid.has(one)) || !hasOthers(work));
    if (retry >= 0) return again.splice(retry, 1)[0];
    while (!ended && done.length < AHEAD) {
      const { value: request, done: over } = source.next();
      if (over) {
        ended = true;
        return undefined;
      }
      const index = taken++;
      const id = request.id ?? `request-${index}`;
      const answered = known(client, index, id, request, asked);
      if (answered) {
        finish(answered);
        continue;
      }
      return { index, request, id, prompt_tokens: mostPromptTokens(request, client.tokenizer), avoid: new Set() };
    }
    return undefined;
  }

  function finish(one: Given): void {
    written += one.generation.served!.completion_tokens;
    done.push(one);
  }

  function dispatch(): void {
    short = false;
    const now = Date.now();
    for (const endpoint of endpoints)
      if (!endpoint.identity && now >= endpoint.pausedUntil && !identifying.has(endpoint)) void introduce(endpoint);
    while (failure === undefined && !signal?.aborted) {
      const free = endpoints.filter((endpoint) => endpoint.free(now));
      if (free.length === 0) return;
      const work = next(free);
      if (!work) return;
      held = undefined;
      const others = free.filter((endpoint) => !work.avoid.has(endpoint));
      const idlest = (among: readonly Endpoint[]) =>
        among.reduce((best, one) => (one.inFlight / one.limit < best.inFlight / best.limit ? one : best));
      const most = mostOf(work, asked, client);
      const reservation = budget.reserve(most);
      if (!reservation) {
        held = work;
        short = true;
        return;
      }
      void send(work, idlest(others.length > 0 ? others : free), reservation, most);
    }
  }

  async function introduce(endpoint: Endpoint): Promise<void> {
    identifying.add(endpoint);
    try {
      await acquaint(endpoint, options.model ?? [...client.names][0], mask, signal);
      if (endpoint.identity) told(`${endpoint.place.url} is there now, and takes its share.`);
    } catch (error) {
      endpoint.unreachable(mask.text((error as Error).message));
    } finally {
      identifying.delete(endpoint);
      wake();
    }
  }

  /** Ask a server once, and see what becomes of it. Nothing is thrown from here. */
  async function send(work: Work, endpoint: Endpoint, reservation: Reservation, most: Used): Promise<void> {
    const flight: Flight = {
      endpoint,
      since: Date.now(),
      abort: new AbortController(),
      pieces: 0,
      elsewhere: false,
    };
    flights.add(flight);
    endpoint.inFlight++;
    let used: Used = { prompt_tokens: 0, completion_tokens: 0, cost: 0 };
    try {
      const tooLong = await tooLongFor(client, work, endpoint);
      if (tooLong !== undefined) done.push({ index: work.index, error: tooLong });
      else {
        const { made, ending, answer, fault, wait } = await attempt(client, work, endpoint, most, asked, flight);
        used = ending.used;
        if (answer) {
          answers++;
          notice(answer.usage.completion_tokens);
          if (!client.sure && answer.model !== null) client.names.add(answer.model);
          client.sure = true;
          slowest = Math.max(slowest, ending.latency);
          endpoint.succeeded(Math.min(wait ?? 0, 1000 * options.patience));
          finish(given(work.index, work.request, answer, { ...made, ...ending }));
        } else decide(work, endpoint, fault!, flight);
      }
    } catch (error) {
      fail(error);
    } finally {
      reservation.settle(used);
      endpoint.inFlight--;
      flights.delete(flight);
      tokensNow();
      wake();
    }
  }

  /** A server that does not keep to the limit is reckoned with from then on. */
  function notice(tokens: number): void {
    if (tokens <= asked.max_completion_length) return;
    if (client.longest === 0)
      told(
        `An answer has ${tokens} tokens where at most ${asked.max_completion_length} were asked for: the server does not keep to max_completion_length.`,
      );
    client.longest = Math.max(client.longest, tokens);
  }

  /** What becomes of a request that was not answered. */
  function decide(work: Work, endpoint: Endpoint, fault: Fault, { elsewhere, since }: Flight): void {
    const { index, id } = work;
    const avoid = new Set([...work.avoid, endpoint]);
    const decision = elsewhere
      ? tooSlow(endpoint)
      : decisionOn(fault, endpoint, options, {
          sentAt: since,
          failed: journal.ended(id, "failed"),
          lies: journal.ended(id, "lying"),
          elsewhere: hasOthers({ avoid }),
          others: others(),
        });
    if (!decision) return;
    if ("stop" in decision) fail(new DistillError(decision.stop));
    else if ("refused" in decision) back.refuse({ index, error: decision.refused });
    else if ("again" in decision) {
      if (decision.said !== undefined) told(decision.said);
      const next = { ...work, avoid: fault.outcome === "failed" || elsewhere ? avoid : work.avoid };
      if (decision.again === "next") again.unshift(next);
      else again.push({ ...next, avoid });
    } else if (others() !== "never" || fault.outcome !== "lying") done.push({ index, error: decision.error });
    else {
      const useless = back.lie({ index, error: decision.error }, endpoint.place.url, journal.folder);
      if (useless !== undefined) fail(new DistillError(useless));
    }
  }

  const ticker = setInterval(() => {
    const now = Date.now();
    // where nothing is left but what a slow server holds, it is given to one that is idle
    if (ended && again.length === 0)
      for (const flight of late(flights, endpoints, slowest, now)) {
        flight.elsewhere = true;
        flight.abort.abort();
      }
    const silence = silent(endpoints, options.patience, begun, now);
    if (silence !== undefined) fail(new DistillError(silence));
    tokensNow();
    wake();
  }, 250);
  for (const { connections } of endpoints) connections.renew();
  try {
    requireNoBatches(journal, (id) => journal.answer(id) !== undefined);
    held = next(endpoints); // there is something to ask
    if (held && budget.refusal(mostOf(held, asked, client))) return;
    if (held) await probe(client, asked);
    while (true) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (!signal?.aborted && failure === undefined) dispatch();
      if (others() !== "never") done.push(...back.release());
      if (done.length > 0) {
        yield* done.splice(0);
        continue;
      }
      if (flights.size === 0) {
        if (signal?.aborted) return;
        if (failure !== undefined) throw failure;
        if (short) return; // what is left of the budget is too little
        if (ended && again.length === 0 && !held) break;
      }
      const paused = Math.min(...endpoints.map(({ pausedUntil }) => pausedUntil).filter((time) => time > Date.now()));
      const timer = Number.isFinite(paused) ? setTimeout(wake, paused - Date.now() + 1) : undefined;
      await woken;
      clearTimeout(timer);
    }
    const fault = back.fault();
    if (fault !== undefined) throw new DistillError(fault);
    yield* back.release();
  } finally {
    clearInterval(ticker);
    signal?.removeEventListener("abort", stop);
    for (const { abort } of flights) abort.abort();
    while (flights.size > 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  }
}
