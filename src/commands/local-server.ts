/** @file A server for one person's browser on this machine: a secret in its address, and no other page may ask it. */

import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";

/** What came: `path` is behind the secret. */
export type Asked = { method: string; path: string; query: URLSearchParams; body: () => Promise<unknown> };
/** What is answered: a page, a module of its program, or JSON. */
export type Answer = { html: string } | { script: string } | { json: unknown } | { status: number; error: string };

export type LocalServer = { url: string; close(): Promise<void> };

export const Port = z
  .string()
  .regex(/^\d+$/, "expected a number")
  .transform(Number)
  .pipe(z.int().min(1).max(65_535))
  .optional();

const LARGEST = 16 * 2 ** 20; // bytes of what is sent here

/** Serve until it is closed; on a free port unless one is given. */
export async function serveLocally(answer: (asked: Asked) => Promise<Answer> | Answer, port = 0): Promise<LocalServer> {
  const secret = randomBytes(18).toString("base64url");
  let hosts: string[] = [];
  const server = createServer(async (request, response) => {
    try {
      const refused = refusal(request, hosts);
      const url = new URL(request.url ?? "/", "http://local");
      const [, given = "", ...rest] = url.pathname.split("/");
      if (refused || !same(given, secret))
        return send(response, { status: 403, error: refused ?? "not the address that was printed" });
      const body = () => bodyOf(request);
      const asked = { method: request.method ?? "GET", path: rest.join("/"), query: url.searchParams, body };
      send(response, await answer(asked));
    } catch (error) {
      const mendable = error instanceof DistillError || error instanceof z.ZodError;
      if (!mendable) console.error(error);
      const said = error instanceof z.ZodError ? error.issues[0]!.message : (error as Error).message;
      send(response, { status: mendable ? 400 : 500, error: said });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken = error.code === "EADDRINUSE";
      reject(
        new DistillError(
          taken
            ? `Port ${port} is taken by another program. Give another one with --port, or none: a free one is found.`
            : `Port ${port} cannot be opened: ${error.message}. Give another one with --port.`,
        ),
      );
    });
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: open } = server.address() as AddressInfo;
  hosts = [`127.0.0.1:${open}`, `localhost:${open}`];
  return {
    url: `http://127.0.0.1:${open}/${secret}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Why a request is not answered: another name for this machine, or another page, may be an attack. */
function refusal({ headers }: IncomingMessage, hosts: readonly string[]): string | undefined {
  if (!hosts.includes(headers.host ?? "")) return "not this machine's address";
  if (headers.origin !== undefined && !hosts.some((host) => headers.origin === `http://${host}`))
    return "asked by another page";
  const site = headers["sec-fetch-site"];
  return site === "cross-site" || site === "same-site" ? "asked by another page" : undefined;
}

function same(given: string, secret: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request) {
    length += (piece as Buffer).length;
    if (length > LARGEST) throw new DistillError(`More than ${LARGEST} bytes were sent.`);
    pieces.push(piece as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch {
    throw new DistillError("What was sent is not JSON.");
  }
}

const HEADERS = {
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
};

function send(response: ServerResponse, answer: Answer): void {
  if ("html" in answer)
    response.writeHead(200, { ...HEADERS, "content-type": "text/html; charset=utf-8" }).end(answer.html);
  else if ("script" in answer)
    response.writeHead(200, { ...HEADERS, "content-type": "text/javascript; charset=utf-8" }).end(answer.script);
  else {
    const [status, value] = "json" in answer ? [200, answer.json] : [answer.status, { error: answer.error }];
    response.writeHead(status, { ...HEADERS, "content-type": "application/json" }).end(JSON.stringify(value));
  }
}

/** Resolves once a command is asked to end. */
export const ended = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
