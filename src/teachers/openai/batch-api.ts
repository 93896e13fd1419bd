/** @file Batches as OpenAI's API has them, and those that copy it: upload, create, look, read. */

import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { DistillError } from "../../core/errors.ts";
import { formatDuration } from "../../core/progress.ts";
import { jsonOf } from "./assemble.ts";
import type { Client } from "./attempt.ts";
import type { Chunk, Transport } from "./batch.ts";
import { type Line, linesOf } from "./batch-lines.ts";
import { fatalSentence } from "./decision.ts";
import type { Endpoint } from "./endpoint.ts";
import { faultOfStatus } from "./faults.ts";
import { pathOf } from "./identify.ts";

const Batch = z.looseObject({
  id: z.string(),
  status: z.string(),
  output_file_id: z.string().nullish(),
  error_file_id: z.string().nullish(),
  errors: z.looseObject({ data: z.array(z.looseObject({ message: z.string().nullish() })).nullish() }).nullish(),
  request_counts: z.looseObject({ total: z.number(), completed: z.number(), failed: z.number() }).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
});
type Batch = z.output<typeof Batch>;

const List = z.looseObject({ data: z.array(z.unknown()) });

const ENDED = ["completed", "failed", "expired", "cancelled", "canceled"];

/** What names a chunk at the server. */
const MARK = "distill";
/** Batches that are looked through for one that may have been created. */
const LISTED = 100;

export function submitTo(client: Client, endpoint: Endpoint, signal: AbortSignal | undefined): Transport {
  const { options, mask, told } = client;
  const { poll, completion_window } = options.batch!;
  const { place, connections, identity } = endpoint;
  const { base } = identity!;

  /** Ask, again and again while nobody answers. */
  async function call(method: "GET" | "POST", path: string, body?: { type?: string; content: string | Uint8Array }) {
    const begun = Date.now();
    for (let wait = 500; ; wait = Math.min(2 * wait, 30_000)) {
      const {
        status,
        headers,
        body: bytes,
        fault,
      } = await connections.exchange({
        method,
        url: pathOf(base, path.split("?")[0]!) + (path.includes("?") ? `?${path.split("?")[1]}` : ""),
        headers: { ...place.headers, ...(body?.type ? { "content-type": body.type } : {}) },
        ...(body ? { body: body.content } : {}),
        signal,
      });
      const text = Buffer.from(bytes).toString("utf8");
      if (status === 200 || status === 201) if (!fault) return text;
      if (signal?.aborted) return undefined;
      const found = fault ?? faultOfStatus(status, headers, text);
      const reason = mask.text(found.reason);
      if (found.outcome === "fatal") throw new DistillError(fatalSentence(endpoint, reason, options));
      const passing = ["unsent", "refused", "failed"].includes(found.outcome);
      // what creates something may have done so: it is looked for before it is tried again
      const safe = method === "GET" || found.outcome !== "failed";
      if (!passing || !safe || Date.now() - begun > 1000 * options.patience)
        throw new DistillError(
          `${place.url} does not take batches: ${method} ${path.split("?")[0]} ended with ${reason}. What was submitted is kept; the same command goes on with it.`,
        );
      await sleep(found.wait ?? wait, undefined, signal ? { signal } : {}).catch(() => {});
    }
  }

  async function batchAt(path: string, body?: { content: string }): Promise<Batch | undefined> {
    const text = await call(body ? "POST" : "GET", path, body);
    if (text === undefined) return undefined;
    const value = jsonOf(text) as { job?: unknown } | undefined;
    return read(Batch, value?.job ?? value, path);
  }

  /** What a server says, as it is said of such a path. */
  function read<Value>(schema: z.ZodType<Value>, value: unknown, path: string): Value {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new DistillError(
      `${place.url} does not take batches as OpenAI's API does: what it says at ${path} is nothing of the kind. Ask without --batch, or with --batch-files.`,
    );
  }

  async function submit(chunk: Chunk, content: string, save: () => Promise<void>): Promise<string | undefined> {
    if (chunk.submitting) {
      const text = await call("GET", `/batches?limit=${LISTED}`);
      if (text === undefined) return undefined;
      const { data } = read(List, jsonOf(text), "/batches");
      const found = data
        .flatMap((one) => Batch.safeParse(one).data ?? [])
        .find(({ metadata }) => metadata?.[MARK] === chunk.hash);
      if (found) return found.id;
    }
    const file = await call("POST", "/files", multipart(`${chunk.hash}.jsonl`, content));
    if (file === undefined) return undefined;
    const { id } = read(z.looseObject({ id: z.string() }), jsonOf(file), "/files");
    chunk.submitting = true;
    await save();
    const created = await batchAt("/batches", {
      content: JSON.stringify({
        input_file_id: id,
        endpoint: options.endpoint === "chat" ? "/v1/chat/completions" : "/v1/completions",
        completion_window,
        metadata: { [MARK]: chunk.hash },
      }),
    });
    return created?.id;
  }

  return {
    later: false,
    async begin(chunk, content, save) {
      if (chunk.batch !== undefined) return true;
      const id = await submit(chunk, content, save);
      if (id === undefined) return false;
      chunk.batch = id;
      await save();
      told(`Batch ${id}: ${chunk.attempts.length} requests submitted to ${place.url}.`);
      return true;
    },
    async answers(chunk) {
      let said = "";
      const begun = Date.now();
      while (!signal?.aborted) {
        const batch = await batchAt(`/batches/${chunk.batch}`);
        if (!batch) return undefined;
        const status = batch.status.toLowerCase();
        const { completed = 0, failed = 0, total = chunk.attempts.length } = batch.request_counts ?? {};
        const now = `${status}, ${completed} of ${total} done${failed > 0 ? `, ${failed} failed` : ""}`;
        if (now !== said) told(`Batch ${chunk.batch}: ${now}, after ${formatDuration((Date.now() - begun) / 1000)}.`);
        said = now;
        if (ENDED.includes(status)) return await results(batch, chunk);
        await sleep(1000 * poll, undefined, signal ? { signal } : {}).catch(() => {});
      }
      return undefined;
    },
  };

  /** What an ended batch left, of which some may be done and paid for however it ended. */
  async function results(batch: Batch, chunk: Chunk): Promise<Map<string, Line> | undefined> {
    const texts: string[] = [];
    for (const id of [batch.output_file_id, batch.error_file_id]) {
      if (!id) continue;
      const text = await call("GET", `/files/${id}/content`);
      if (text === undefined) return undefined;
      texts.push(text);
    }
    const why = batch.errors?.data
      ?.map(({ message }) => message)
      .filter(Boolean)
      .join("; ");
    if (texts.length === 0 && why)
      chunk.failed = `Batch ${batch.id} ended as ${batch.status}: ${mask.text(why).replace(/\.$/, "")}. The same command submits its requests again.`;
    return linesOf(texts);
  }
}

const BOUNDARY = "distill-7f3c9a51e0";

function multipart(name: string, content: string): { type: string; content: Uint8Array } {
  const part = (head: string, body: string) =>
    `--${BOUNDARY}\r\ncontent-disposition: form-data; ${head}\r\n\r\n${body}\r\n`;
  const file = `name="file"; filename="${name}"\r\ncontent-type: application/jsonl`;
  return {
    type: `multipart/form-data; boundary=${BOUNDARY}`,
    content: Buffer.from(`${part('name="purpose"', "batch")}${part(file, content)}--${BOUNDARY}--\r\n`),
  };
}
