/** @file One request and what came of it, as it came: with clocks that look at answers, not at bytes. */

import type { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { Dispatcher } from "undici";
import { z } from "zod";
import { eventReader } from "./events.ts";
import { type Fault, faultOfConnection, type Headers } from "./faults.ts";

const seconds = z.number().positive();

export const Timeouts = z.strictObject({
  connect: seconds.default(10).describe("Seconds until a connection is made."),
  first: seconds
    .default(900)
    .describe(
      "Seconds until the first token of an answer that is streamed: it may have waited for others at the server.",
    ),
  stall: seconds
    .default(120)
    .describe("Seconds between two tokens. Comments and blank lines that keep a connection alive are none."),
  answer: seconds.default(3600).describe("Seconds until an answer that comes as a whole is there."),
});
export type Timeouts = z.output<typeof Timeouts>;

/** Bytes of an answer: with probabilities of each token they are many. */
const LARGEST = 512 * 2 ** 20;

/** What came, and how it ended where it did not end well. */
export type Reply = {
  /** 0 where none came. */
  status: number;
  headers: Headers;
  body: Uint8Array;
  fault?: Fault;
};

export type Connections = {
  exchange(request: {
    method: "GET" | "POST";
    url: string;
    headers: Record<string, string>;
    body?: string | Uint8Array;
    signal?: AbortSignal | undefined;
    /** Told of the data of each event of a stream, and says whether it brought something of the answer, or was the last. */
    event?: (data: string) => boolean | "last";
    /** Seconds for the whole, in place of the clocks. */
    within?: number;
  }): Promise<Reply>;
  /** Use none of the connections that were made: they may have been closed while this process was at something else. */
  renew(): void;
  close(): Promise<void>;
};

/** Milliseconds for which a connection is kept that nothing is sent on, and requests that are sent on one. */
const [IDLE, REQUESTS] = [2000, 50];

/** Connections to servers. Proxies are those that the environment names. */
export async function openConnections(timeouts: Timeouts, connections: number): Promise<Connections> {
  const { Agent, EnvHttpProxyAgent, request } = await import("undici"); // slow to load
  const options = {
    connections,
    // what is sent on a connection that the server is just closing has an unknown end: servers close those that are idle for
    // 5 s, and llama-server without a word those that had 100 requests
    pipelining: 1,
    keepAliveTimeout: IDLE,
    keepAliveMaxTimeout: IDLE,
    maxRequestsPerClient: REQUESTS,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: 1000 * timeouts.connect },
  };
  const proxied = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"].some((name) => process.env[name]);
  const fresh = (): Dispatcher => (proxied ? new EnvHttpProxyAgent(options) : new Agent(options));
  let dispatcher = fresh();
  return {
    renew() {
      const before = dispatcher;
      dispatcher = fresh();
      void before.close();
    },
    async exchange({ method, url, headers, body, signal, event, within }) {
      const abort = new AbortController();
      const stop = () => abort.abort();
      signal?.addEventListener("abort", stop, { once: true });
      let ran: string | undefined; // the clock that ran out
      let timer: NodeJS.Timeout | undefined;
      const clock = (limit: number, what: string) => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          ran = `${what} for ${limit} s`;
          abort.abort();
        }, 1000 * limit);
      };
      if (within !== undefined) clock(within, "no answer");
      else if (event) clock(timeouts.first, "no token");
      else clock(timeouts.answer, "no answer");
      const chunks: Uint8Array[] = [];
      let [size, status, got] = [0, 0, {} as Headers];
      const reply = (fault?: Fault): Reply => ({
        status,
        headers: got,
        body: Buffer.concat(chunks),
        ...(fault ? { fault } : {}),
      });
      try {
        if (signal?.aborted) return reply({ outcome: "unsent", reason: "it was stopped" });
        const response = await request(url, {
          dispatcher,
          method,
          headers,
          signal: abort.signal,
          ...(body === undefined ? {} : { body }),
        });
        status = response.statusCode;
        got = response.headers;
        const streamed = event && status === 200 && /event-stream/.test(String(got["content-type"]));
        let over = false;
        const events = eventReader((data) => {
          const brought = event?.(data);
          over ||= brought === "last";
          if (brought) clock(timeouts.stall, "no further token");
        });
        for await (const chunk of decoded(response.body, String(got["content-encoding"] ?? ""))) {
          size += chunk.length;
          if (size > LARGEST) {
            abort.abort();
            return reply({ outcome: "lying", reason: `an answer of more than ${LARGEST} bytes` });
          }
          chunks.push(chunk);
          if (streamed) events.push(chunk);
          if (over) return reply(); // whatever becomes of the connection
        }
        if (streamed) events.end();
        return reply();
      } catch (error) {
        if (ran !== undefined) return reply({ outcome: "failed", reason: ran });
        if (signal?.aborted) return reply({ outcome: "cancelled", reason: "it was stopped" });
        const fault = faultOfConnection(error);
        return reply(status > 0 ? { outcome: "failed", reason: `the answer was cut off (${fault.reason})` } : fault);
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener("abort", stop);
      }
    },
    close: () => dispatcher.destroy(),
  };
}

function decoded(body: Readable, encoding: string): AsyncIterable<Buffer> {
  const decoder = DECODERS[encoding.trim().toLowerCase()]?.();
  if (!decoder) return body;
  body.on("error", (error) => decoder.destroy(error));
  return body.pipe(decoder);
}

const DECODERS: Record<string, () => ReturnType<typeof createGunzip>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress as unknown as typeof createGunzip,
};
