/** @file A server of OpenAI's batches that does with each what it is told to. */

import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerOf, pieces } from "./server.ts";

export type BatchManners = {
  /** How it ends, and how many of its requests are done by then. */
  status?: string;
  done?: number;
  /** What is in place of the line of a request: its response, or an error. */
  line?: (question: string) => object | undefined;
  /** All lines go into the file of errors. */
  failed?: boolean;
  /** Looks at it before it ends. */
  looks?: number;
  /** Why nothing of it was done. */
  why?: string;
  /** The answer to its creation is lost, after it was created or before. */
  lost?: "after" | "before";
};

type Line = { custom_id: string; body: { messages: { content: string }[]; seed: number } };

export async function startBatchServer(manners: (number: number) => BatchManners = () => ({})) {
  const files = new Map<string, string>();
  const batches = new Map<string, { manners: BatchManners; looks: number; input: string; metadata: object }>();
  const paid: string[] = [];
  let tries = 0;
  const server = createServer((request, response) => {
    const path = request.url!.split("?")[0]!;
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      if (path === "/v1/models") return json(response, { data: [{ id: "m", owned_by: "test" }] });
      if (request.method === "POST" && path === "/v1/files") {
        const id = `file-${files.size}`;
        files.set(id, text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1));
        return json(response, { id });
      }
      if (request.method === "POST" && path === "/v1/batches") {
        const how = manners(tries++);
        if (how.lost === "before") return request.socket.destroy();
        const { input_file_id, metadata } = JSON.parse(text) as { input_file_id: string; metadata: object };
        const id = `batch-${batches.size}`;
        batches.set(id, { manners: how, looks: 0, input: input_file_id, metadata });
        if (how.lost === "after") return request.socket.destroy();
        return json(response, { id, status: "validating" });
      }
      if (path === "/v1/batches")
        return json(response, {
          data: [...batches].map(([id, { metadata }]) => ({ id, status: "in_progress", metadata })),
        });
      const content = /^\/v1\/files\/(.*)\/content$/.exec(path)?.[1];
      if (content) return void response.end(files.get(content));
      const id = path.replace("/v1/batches/", "");
      const batch = batches.get(id)!;
      if (batch.looks++ < (batch.manners.looks ?? 1)) return json(response, { id, status: "in_progress" });
      return json(response, ended(id, batch));
    });
  });

  function ended(id: string, { manners, input }: { manners: BatchManners; input: string }) {
    const lines = files
      .get(input)!
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    const { status = "completed", done = lines.length } = manners;
    const out = lines.slice(0, done).map(({ custom_id, body }) => {
      const question = body.messages.at(-1)!.content;
      const text = answerOf(question, body.seed);
      const usage = { prompt_tokens: 3, completion_tokens: pieces(text).length };
      const given = manners.line?.(question);
      if (!given) paid.push(custom_id);
      const message = { role: "assistant", content: text };
      const response = {
        status_code: 200,
        body: { model: "m", choices: [{ index: 0, finish_reason: "stop", message }], usage },
      };
      return JSON.stringify({ id: `line-${custom_id}`, custom_id, response, error: null, ...given });
    });
    if (manners.why) return { id, status, errors: { data: [{ message: manners.why }] } };
    const name = `out-${id}`;
    files.set(name, `${out.reverse().join("\n")}\n`); // their order is not that of the requests
    const place = manners.failed
      ? { output_file_id: null, error_file_id: name }
      : { output_file_id: name, error_file_id: null };
    return { id, status, ...place, request_counts: { total: lines.length, completed: done, failed: 0 } };
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    batches,
    files,
    /** The names of the lines that were answered well, each as often as it was. */
    paid,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
