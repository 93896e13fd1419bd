/** @file The worker thread: takes calls one at a time, answers each. */

import { parentPort } from "node:worker_threads";
import { DistillError, Stopped } from "../core/errors.ts";
import { Host, placeOf } from "./host.ts";
import { explained, type Place } from "./limits.ts";
import type { Answer, Call, HostOptions, Method, Requests } from "./protocol.ts";

let host: Host;
let place: Place | undefined;

const handlers: { [M in Method]: (request: Requests[M]["request"]) => Promise<unknown> | unknown } = {
  open: (options: HostOptions) => {
    host = Host.open(options);
    place = placeOf(options);
    return host.stop;
  },
  proceed: () => host.proceed(),
  compile: (request) => host.compile(request),
  load: ({ path }) => host.load(path),
  compileLoop: (loop) => host.loops.compile(loop),
  runLoop: ({ loop, runs }) => host.loops.run(loop, runs),
  run: ({ program, feeds, bindings }) => host.run(program, feeds, bindings),
  write: ({ name, tensor }) => host.write(name, tensor),
  read: ({ name }) => host.read(name),
  states: () => host.states(),
  forget: ({ names }) => host.forget(names),
  release: ({ program }) => host.release(program),
  memory: () => ({ peak_rss_mb: process.resourceUsage().maxRSS / 1024 }),
  close: () => host?.close(),
};

let last: Promise<void> = Promise.resolve();

parentPort?.on("message", (call: Call) => {
  last = last.then(async () => {
    const { answered, given } = await answer(call);
    parentPort!.postMessage(answered, given);
  });
});

/** The answer, and memory that it takes along: what a run answers is nobody else's. */
async function answer({ id, method, request }: Call): Promise<{ answered: Answer; given: ArrayBuffer[] }> {
  try {
    const response = await handlers[method](request as never);
    const tensors = method === "run" ? Object.values(response as Requests["run"]["response"]) : [];
    return { answered: { id, response }, given: tensors.map(({ data }) => data.buffer as ArrayBuffer) };
  } catch (thrown) {
    const error = place ? explained(thrown as Error, place) : (thrown as Error);
    const { message, stack } = error;
    const kind = error instanceof Stopped ? "stopped" : error instanceof DistillError ? "mendable" : "fault";
    return { answered: { id, error: { message, stack, kind } }, given: [] };
  }
}
