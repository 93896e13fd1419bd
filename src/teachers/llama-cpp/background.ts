/** @file Work of several contexts in the background: it goes on while the reader is busy, until too many results wait for it. */

import type { EngineOptions } from "./engine.ts";

export type WorkOptions = { signal?: AbortSignal; onTokens?: (tokens: number) => void };

/** What one context does with requests that several take from; it gives each result to `emit`, which may wait. */
export type Work<Request, Options, Result> = (
  engine: EngineOptions,
  source: Iterator<[index: number, request: Request]>,
  options: Options,
  emit: (result: Result) => void | Promise<void>,
  stopped: () => boolean,
) => Promise<void>;

export function inBackground<Request, Options extends WorkOptions, Result>(
  engines: readonly EngineOptions[],
  requests: Iterable<Request>,
  work: Work<Request, Options, Result>,
  options: Options,
) {
  const room = engines.reduce((sum, { sequences }) => sum + sequences, 0);
  const waiting: Result[] = [];
  let over = false;
  let stopping = false;
  let wakeReader = () => {};
  let wakeWriters: (() => void)[] = [];
  const goOn = () => {
    for (const wake of wakeWriters) wake();
    wakeWriters = [];
  };
  const emit = (result: Result): void | Promise<void> => {
    waiting.push(result);
    wakeReader();
    if (waiting.length < 4 * room || stopping) return;
    return new Promise((resolve) => {
      wakeWriters.push(resolve);
    });
  };
  const stopped = () => stopping || Boolean(options.signal?.aborted);
  const source = numbered(requests);
  const generated = engines.map(() => 0);
  const running = engines.map((engine, i) => {
    const onTokens = (tokens: number) => {
      generated[i] = tokens;
      options.onTokens?.(generated.reduce((a, b) => a + b));
    };
    return work(engine, source, { ...options, onTokens }, emit, stopped).catch((error) => {
      stopping = true;
      goOn();
      throw error;
    });
  });
  const done = Promise.allSettled(running).then((results) => {
    source.return(undefined);
    over = true;
    wakeReader();
    for (const result of results) if (result.status === "rejected") throw result.reason;
  });
  done.catch(() => {}); // items() throws it
  return {
    done,
    stop() {
      stopping = true;
      goOn();
    },
    async *items(): AsyncGenerator<Result> {
      while (true) {
        while (waiting.length > 0) {
          yield waiting.shift()!;
          if (waiting.length < 2 * room) goOn();
        }
        if (over) return await done;
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
      }
    },
  };
}

function* numbered<Request>(requests: Iterable<Request>): Generator<[number, Request], undefined> {
  let index = 0;
  for (const request of requests) yield [index++, request];
}
