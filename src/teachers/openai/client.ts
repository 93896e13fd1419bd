/**
 * @file Requests to servers: which is sent where and when, what of it is written down before and after, and what becomes of
 * those that were not answered. An answer that is complete is never asked for again.
 */

import { DistillError } from "../../core/errors.ts";
import type { Answered, Journal, Used } from "../../data/journal.ts";
import type { Budget, Reservation } from "../budget.ts";
import type { Finished, GenerateOptions, SampleRequest } from "../teacher.ts";
import type { Answer } from "./answer.ts";
import { attempt, type Client, type Question, tooLongFor } from "./attempt.ts";
import { requireNoBatches } from "./batch.ts";
import { mostPromptTokens } from "./body.ts";
import { decisionOn, tooSlow } from "./decision.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Fault } from "./faults.ts";
import { identify } from "./identify.ts";
import { accepted, generationOf } from "./judged.ts";
import { probe } from "./probe.ts";
import { mostOf } from "./used.ts";
import { type Flight, late, silent } from "./watch.ts";

/** A request on its way. */
type Work = Question & {
  index: number;
  /** Servers that failed at it. */
  avoid: ReadonlySet<Endpoint>;
};

/** Verdicts "impossible" without any answer that end the run: it is the question that is wrong, not the rows. */
const ALL_REFUSED = 8;
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
  /** Rows that no server answers, kept back until one row was answered. */
  const refused: { index: number; error: string }[] = [];
  /** Rows with answers that are none, likewise. */
  const lies: { index: number; error: string }[] = [];
  const flights = new Set<Flight>();
  const identifying = new Set<Endpoint>();
  let held: Work | undefined; // the next one, taken and not sent yet
  let short = false; // the budget has nothing left for it now
  let [taken, answers, slowest, written] = [0, 0, 0, 0];
  let ended = false;
  let failure: unknown;
  let wake = () => {};
  const begun = Date.now();

  /** Whether it is known, of this run or an earlier one, that requests like these are answered. */
  const anyAnswer = () => answers > 0 || journal.spent().requests > 0;
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
      const known = journal.answer(id);
      if (known?.outcome === "complete") {
        const answer = accepted(client, known, request, asked);
        if ("completion" in answer) {
          finish(index, request, answer, known);
          continue;
        }
      }
      return { index, request, id, prompt_tokens: mostPromptTokens(request, client.tokenizer), avoid: new Set() };
    }
    return undefined;
  }

  function finish(index: number, { seed }: SampleRequest, answer: Answer, from: Answered): void {
    written += answer.usage.completion_tokens;
    done.push({ index, generation: generationOf(answer, from), ...(from.seed === seed ? {} : { seed: from.seed }) });
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
      const found = await identify(endpoint.place, options.model ?? [...client.names][0], endpoint.connections, signal);
      if ("outcome" in found && found.outcome === "fatal")
        endpoint.leave(mask.text(found.reason), Number.POSITIVE_INFINITY);
      else if ("outcome" in found) endpoint.unreachable(mask.text(found.reason));
      else {
        endpoint.identity = found;
        told(`${endpoint.place.url} is there now, and takes its share.`);
      }
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
          finish(work.index, work.request, answer, { ...made, ...ending });
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
          others: answers > 0 ? "answered" : journal.spent().requests > 0 ? "once" : "never",
        });
    if (!decision) return;
    if ("stop" in decision) fail(new DistillError(decision.stop));
    else if ("refused" in decision) refused.push({ index, error: decision.refused });
    else if ("again" in decision) {
      if (decision.said !== undefined && !said.has(endpoint)) told(decision.said);
      if (decision.said !== undefined) said.add(endpoint);
      const next = { ...work, avoid: fault.outcome === "failed" || elsewhere ? avoid : work.avoid };
      if (decision.again === "next") again.unshift(next);
      else again.push({ ...next, avoid });
    } else if (anyAnswer() || fault.outcome !== "lying") done.push({ index, error: decision.error });
    else if (lies.push({ index, error: decision.error }) >= ALL_REFUSED) {
      const kept = journal.folder ?? "the journal";
      fail(
        new DistillError(
          `${endpoint.place.url} gives no answers that can be used. ${decision.error} What it sent is in ${kept}.`,
        ),
      );
    }
  }
  const said = new Set<Endpoint>();

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
      if (anyAnswer()) done.push(...refused.splice(0), ...lies.splice(0));
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
    if (refused.length >= ALL_REFUSED)
      throw new DistillError(
        `All of ${refused.length} requests were refused. ${refused[0]!.error} Mend what the recipe asks for: teacher.extra_body adds fields, and a field that is null there is left out.`,
      );
    yield* [...refused, ...lies];
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
