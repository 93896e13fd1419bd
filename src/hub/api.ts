/** @file What the hub says of a repository: the commit of a revision, and the files of a commit with their hashes. */

import { basename, join } from "node:path/posix";
import { datasetInfo, HubApiError, listFiles, modelInfo } from "@huggingface/hub";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { COMMIT } from "./cache.ts";
import { formatHubReference, type HubReference } from "./reference.ts";
import type { HubSettings } from "./settings.ts";

/** The hub cannot be asked now: there is no network, or it fails. */
export class Unreachable extends Error {}

export type HubFile = {
  /** Its path in the repository. */
  path: string;
  /** Bytes. */
  size: number;
  /** What its content is checked by, and kept under: sha256, or git's hash of a small file. */
  hash: string;
};

export type HubApi = {
  commitOf(reference: HubReference): Promise<string>;
  /** The files in a folder of a commit, "" being the topmost. */
  files(reference: HubReference, commit: string, folder: string): Promise<HubFile[]>;
};

const MAX_ANSWER = 32 << 20; // bytes of JSON
const MAX_FILES = 10_000;
const MAX_QUESTIONS = 1000; // pages of a list among them
const MAX_SIZE = 2 ** 41; // bytes of a file

const Entry = z.object({
  type: z.string(),
  path: z.string().max(1024),
  size: z.int().nonnegative().max(MAX_SIZE),
  oid: z.string().regex(COMMIT),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().nonnegative().max(MAX_SIZE) }).optional(),
});

export function hubApi(settings: HubSettings, signal: AbortSignal | undefined): HubApi {
  const { endpoint } = settings;
  const asking = { hubUrl: endpoint, fetch: bounded(settings, signal) };
  return {
    async commitOf(reference) {
      const { type, name, revision } = reference;
      const question = { ...asking, name, revision, additionalFields: ["sha" as const] };
      const { sha } = await explained(reference, () =>
        type === "dataset" ? datasetInfo(question) : modelInfo(question),
      );
      if (typeof sha !== "string" || !COMMIT.test(sha))
        throw new DistillError(
          `The hub gives ${JSON.stringify(sha)} as the commit of ${formatHubReference(reference)}.`,
        );
      return sha;
    },
    files: (reference, commit, folder) =>
      explained(reference, () => list(reference, commit, folder), folder ? [] : undefined),
  };

  async function list(reference: HubReference, commit: string, folder: string) {
    const { type, name } = reference;
    const repo = { type, name };
    const files: HubFile[] = [];
    for await (const entry of listFiles({ ...asking, repo, revision: commit, path: encodeURI(folder) })) {
      if (entry.type !== "file" || entry.path !== join(folder, basename(entry.path))) continue;
      const parsed = Entry.safeParse(entry);
      if (!parsed.success || files.length === MAX_FILES)
        throw new DistillError(
          `The hub's list of the files of ${formatHubReference(reference)} cannot be read: ${parsed.success ? `it has more than ${MAX_FILES} entries` : z.prettifyError(parsed.error)}.`,
        );
      const { path, size, oid, lfs } = parsed.data;
      files.push({ path, size: lfs?.size ?? size, hash: lfs?.oid ?? oid });
    }
    return files;
  }
}

/** A fetch that asks the hub alone, with the token, and reads no more than an answer may hold. */
function bounded({ endpoint, token }: HubSettings, signal: AbortSignal | undefined): typeof fetch {
  let questions = 0;
  return async (input, init) => {
    const url = new URL(String(input));
    if (++questions > MAX_QUESTIONS) throw new DistillError(`The hub's list of files has no end (${url.pathname}).`);
    if (url.origin !== new URL(endpoint).origin)
      throw new DistillError(`The hub sends on to ${url.origin} for its list of files, and is not followed there.`);
    const headers = new Headers(init?.headers);
    if (token) headers.set("authorization", `Bearer ${token}`);
    try {
      const response = await fetch(url, { ...init, headers, ...(signal ? { signal } : {}) });
      const pieces: Uint8Array[] = [];
      let size = 0;
      for await (const piece of response.body ?? []) {
        size += piece.byteLength;
        if (size > MAX_ANSWER)
          throw new DistillError(`The hub answers ${url.pathname} with more than ${MAX_ANSWER} bytes.`);
        pieces.push(piece);
      }
      const { status, statusText } = response;
      return new Response(status === 204 ? null : Buffer.concat(pieces), {
        status,
        statusText,
        headers: response.headers,
      });
    } catch (error) {
      if (error instanceof DistillError || signal?.aborted) throw error;
      throw new Unreachable(reasonOf(error));
    }
  };
}

/** Why a fetch failed: what lies under "fetch failed". */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  return (inner as Error | undefined)?.message || message;
}

/** An answer, or a sentence; `absent` stands for what the hub does not have (404), where there is something else. */
async function explained<T>(reference: HubReference, ask: () => Promise<T>, absent?: T): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof HubApiError) {
      if (error.statusCode === 404 && absent !== undefined) return absent;
      if (error.statusCode >= 500 || error.statusCode === 429) throw new Unreachable(`it answers ${error.statusCode}`);
      throw new DistillError(refusal(reference, error.statusCode));
    }
    if (error instanceof SyntaxError || error instanceof TypeError)
      throw new DistillError(
        `The hub's answer about ${formatHubReference(reference)} cannot be read: ${error.message}.`,
      );
    throw error;
  }
}

/** The sentence for what the hub refuses, by HTTP status. */
export function refusal(reference: HubReference, status: number): string {
  const { type, name, revision } = reference;
  if (status === 404)
    return `The hub has no ${type} ${name} with a revision ${revision} (404). Check the name, and the revision behind @.`;
  if (status === 401 || status === 403)
    return `The hub does not give ${formatHubReference(reference)} (${status}): it does not exist, or it is private or gated. Accept its terms on its page if it has some, and set HF_TOKEN to a token that may read it.`;
  return `The hub does not give ${formatHubReference(reference)}: it answers ${status}.`;
}
