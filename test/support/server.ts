/** @file A server of OpenAI's protocol that answers by rule, misbehaves where it is told to, and counts what it does. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

/** A request as it came. */
export type Asked = {
  /** Of all requests for completions, from 0; and of those with the same question and seed. */
  number: number;
  again: number;
  question: string;
  body: Record<string, unknown>;
  headers: IncomingMessage["headers"];
};

/** What is done with a request: nothing of its own is a good answer. */
export type Manners = {
  status?: number;
  headers?: Record<string, string>;
  /** In place of the answer's body, or of an error's. */
  body?: string;
  /** Fields of the answer that are put over the good ones. */
  over?: Record<string, unknown>;
  /** Text of the answer, and reasoning in a field of this name. */
  content?: string | null;
  reasoning?: { field: string; text: string };
  finish_reason?: string | null;
  usage?: Record<string, unknown> | null;
  /** Milliseconds before anything is sent, and between two pieces. */
  wait?: number;
  pace?: number;
  /** End the connection before headers, in the body, or in the stream; or fall silent there. */
  end?: "reset" | "cut" | "stall" | "no_done";
  /** Comments and blank lines before the answer, so many. */
  comments?: number;
  gzip?: boolean;
  /** What becomes of the connection behind a stream that is whole. */
  after?: "reset" | "open";
  /** An error as an event in the stream, after the first pieces. */
  error?: unknown;
};

export type Counts = {
  /** Requests for completions that reached it. */
  posts: number;
  /** Answers that were sent whole. */
  whole: number;
  /** Requests on which it worked, and whose answer was not sent whole. */
  vain: number;
  /** Requests at once, at most. */
  most: number;
  /** Whole answers by question and seed. */
  byQuestion: Map<string, number>;
};

export type TestServer = { url: string; counts: Counts; asked: Asked[]; close(): Promise<void> };

export type ServerOptions = {
  manners?: (asked: Asked) => Manners | undefined;
  /** The completion of a question. */
  answer?: (question: string, seed: number) => string;
  model?: string;
  /** What GET paths say, a text as a page; undefined is a 404. */
  paths?: Record<string, unknown>;
  port?: number;
  /** Streams that it keeps for readers who went away, by the name that their request was given. */
  kept?: ReadonlyMap<string, string>;
  /** The key that it wants. */
  key?: string;
};

/** Thinks about the sum in the question, and is right three times of four. */
export function answerOf(question: string, seed: number): string {
  const numbers = [...question.matchAll(/\d+/g)].map(([n]) => Number(n));
  const sum = numbers.reduce((a, b) => a + b, 0);
  return `<think>${numbers.join(" + ")} is ${sum}.</think>\n\nThe answer is \\boxed{${seed % 4 === 3 ? sum + 1 : sum}}.`;
}

export const pieces = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? [];

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const { manners = () => undefined, answer = answerOf, model = "test-model", key } = options;
  const paths: Record<string, unknown> = {
    "/v1/models": { object: "list", data: [{ id: model, object: "model", owned_by: "test" }] },
    ...options.paths,
  };
  const counts: Counts = { posts: 0, whole: 0, vain: 0, most: 0, byQuestion: new Map() };
  const asked: Asked[] = [];
  const seen = new Map<string, number>();
  let now = 0;
  const server = createServer((request, response) => {
    response.on("error", () => {});
    if (key !== undefined && request.headers.authorization !== `Bearer ${key}`)
      return void send(response, 401, {
        error: {
          message: `Incorrect API key provided: ${request.headers.authorization?.slice(7)}`,
          code: "invalid_api_key",
        },
      });
    const path = request.url!.split("?")[0]!;
    const stream = options.kept?.get(new URL(request.url!, "http://localhost").searchParams.get("conv_id") ?? "");
    if (stream !== undefined) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      return void response.end(stream);
    }
    if (request.method === "GET") {
      const given = paths[path];
      return void send(response, given === undefined ? 404 : 200, given ?? { error: { message: "not found" } });
    }
    if (!path.endsWith("/completions")) return void send(response, 404, { error: { message: "no such path" } });
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      text += chunk;
    });
    request.on("end", () => {
      const body = JSON.parse(text) as Record<string, unknown>;
      const messages = body.messages as { content: string }[] | undefined;
      const question = messages?.at(-1)!.content ?? String(body.prompt);
      const name = `${question} ${body.seed}`;
      const one: Asked = {
        number: counts.posts++,
        again: seen.get(name) ?? 0,
        question,
        body,
        headers: request.headers,
      };
      seen.set(name, one.again + 1);
      asked.push(one);
      counts.most = Math.max(counts.most, ++now);
      void reply(response, one, path.includes("/chat/"), manners(one) ?? {}).finally(() => now--);
    });
  });

  async function reply(response: ServerResponse, one: Asked, chat: boolean, how: Manners): Promise<void> {
    const { body, question } = one;
    if (how.wait) await new Promise((resolve) => setTimeout(resolve, how.wait).unref());
    const { status = 200 } = how;
    const worked = status === 200 || (status >= 500 && status !== 503 && status !== 529);
    const vain = () => {
      if (worked) counts.vain++;
    };
    if (how.end === "reset") {
      counts.vain++;
      return void response.destroy();
    }
    if (status !== 200 || how.body !== undefined) {
      vain();
      response.writeHead(status, { "content-type": "application/json", ...how.headers });
      return void response.end(how.body ?? JSON.stringify({ error: { message: `status ${status}`, code: status } }));
    }
    const content = how.content === undefined ? answer(question, Number(body.seed)) : how.content;
    const all = [...(how.reasoning ? pieces(how.reasoning.text) : []), ...pieces(content ?? "")];
    const usage =
      how.usage === null
        ? undefined
        : (how.usage ?? { prompt_tokens: pieces(question).length, completion_tokens: all.length, total_tokens: 0 });
    const finish_reason = how.finish_reason === undefined ? "stop" : how.finish_reason;
    const head = { id: `answer-${one.number}`, object: "chat.completion", model, created: 0 };
    if (body.stream !== true) {
      const message = {
        role: "assistant",
        content,
        ...(how.reasoning ? { [how.reasoning.field]: how.reasoning.text } : {}),
      };
      const choice = { index: 0, finish_reason, ...(chat ? { message } : { text: content }) };
      const whole = Buffer.from(
        JSON.stringify({ ...head, choices: [choice], ...(usage ? { usage } : {}), ...how.over }),
      );
      const bytes = how.gzip ? gzipSync(whole) : whole;
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": String(bytes.length + (how.comments ?? 0)),
        ...(how.gzip ? { "content-encoding": "gzip" } : {}),
        ...how.headers,
      });
      for (let i = 0; i < (how.comments ?? 0); i++) {
        response.write("\n");
        await new Promise((resolve) => setTimeout(resolve, how.pace ?? 1));
      }
      if (how.end === "cut" || how.end === "stall") {
        vain();
        response.write(bytes.subarray(0, 40));
        if (how.end === "cut") setTimeout(() => response.destroy(), 5);
        return;
      }
      return sentWhole(response, bytes, one, how);
    }
    response.writeHead(200, { "content-type": "text/event-stream", ...how.headers });
    const event = (data: unknown) => response.write(`data: ${JSON.stringify(data)}\n\n`);
    const pieceOf = (text: string, field: string) =>
      event({
        ...head,
        choices: [{ index: 0, finish_reason: null, ...(chat ? { delta: { [field]: text } } : { text }) }],
      });
    for (let i = 0; i < (how.comments ?? 0); i++) {
      response.write(i % 2 === 0 ? ": keep-alive\n\n" : "\n");
      await new Promise((resolve) => setTimeout(resolve, how.pace ?? 1));
    }
    const parts = [
      ...(how.reasoning ? pieces(how.reasoning.text).map((text) => [text, how.reasoning!.field] as const) : []),
      ...pieces(content ?? "").map((text) => [text, "content"] as const),
    ];
    for (const [i, [text, field]] of parts.entries()) {
      if (response.destroyed) return vain();
      pieceOf(text, field);
      if (how.pace) await new Promise((resolve) => setTimeout(resolve, how.pace));
      if (i < 1) continue;
      if (how.error !== undefined) {
        vain();
        event({ error: how.error });
        return void response.end();
      }
      if (how.end === "cut") {
        vain();
        response.write('data: {"choices":[{"ind');
        return void setTimeout(() => response.destroy(), 5);
      }
      if (how.end === "stall") return vain();
    }
    event({ ...head, choices: [{ index: 0, finish_reason, delta: {} }], ...how.over });
    if (how.end === "no_done") {
      vain();
      return void response.end();
    }
    if (usage) event({ ...head, choices: [], usage });
    if (how.after) {
      counts.whole++;
      response.write("data: [DONE]\n\n");
      if (how.after === "reset") setTimeout(() => response.destroy(), 2);
      return;
    }
    return sentWhole(response, "data: [DONE]\n\n", one, how);
  }

  /** Sent whole: as far as this side can tell, which is when the other one has not gone away. */
  function sentWhole(response: ServerResponse, bytes: Uint8Array | string, { question, body }: Asked, how: Manners) {
    return new Promise<void>((resolve) => {
      response.on("close", () => {
        const name = `${question} ${body.seed}`;
        if (!response.writableFinished) counts.vain++;
        else if (!how.over && how.finish_reason === undefined && how.content !== "") {
          counts.whole++;
          counts.byQuestion.set(name, (counts.byQuestion.get(name) ?? 0) + 1);
        }
        resolve();
      });
      response.end(bytes);
    });
  }

  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  server.unref(); // a test that fails does not wait for it
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    counts,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function send(response: ServerResponse, status: number, value: unknown): void {
  const page = typeof value === "string";
  response.writeHead(status, { "content-type": page ? "text/html" : "application/json" });
  response.end(page ? value : JSON.stringify(value));
}
