/** @file One file from the hub, gone on with where it was cut and checked at its end. @huggingface/hub does neither. */

import { createHash, type Hash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { DistillError } from "../core/errors.ts";
import { reasonOf } from "./api.ts";

export type Download = {
  url: string;
  token: string | undefined;
  /** Bytes. */
  size: number;
  /** sha256, or git's sha1 of a blob. */
  hash: string;
  /** Where it goes; `<path>.incomplete` holds what came so far, also of a run that was killed. */
  path: string;
  /** How it is named in sentences. */
  name: string;
  /** The sentence for an HTTP status with which it is refused. */
  refusal: (status: number) => string;
  /** Called with the number of bytes that are there. */
  onBytes: (bytes: number) => void;
  signal?: AbortSignal | undefined;
};

/** Attempts that bring nothing before it is given up. */
const ATTEMPTS = 5;
/** ms before the second attempt that brings nothing; doubled for each further one. */
const PAUSE = 500;

/** Fetch a file; false where `signal` stopped it. Two processes that fetch the same file write the same bytes. */
export async function download(options: Download): Promise<boolean> {
  const { size, hash, path, name, signal, onBytes } = options;
  const partial = `${path}.incomplete`;
  mkdirSync(dirname(path), { recursive: true });
  const file = await open(partial, existsSync(partial) ? "r+" : "w+");
  try {
    const content = new Content(file, size, hash);
    await content.recall(onBytes, signal);
    for (let failures = 0; content.length < size && !signal?.aborted; ) {
      const before = content.length;
      const failure = await attempt(options, content);
      failures = content.length > before ? 0 : failures + 1;
      if (content.length < size && failures === ATTEMPTS)
        throw new DistillError(
          `${name} cannot be fetched: ${failure ?? "nothing comes"}. ${content.length} of ${size} bytes are kept; the same command goes on from there.`,
        );
      if (failures > 1)
        await setTimeout(PAUSE * 2 ** (failures - 2), undefined, signal ? { signal } : {}).catch(() => {});
    }
    if (signal?.aborted) return false;
    const found = content.digest();
    if (found !== hash) {
      await rm(partial, { force: true });
      throw new DistillError(
        `${name} came broken: its ${hash.length === 64 ? "sha256" : "git hash"} is ${found}, and the hub says ${hash}. It was thrown away; run the command again.`,
      );
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path).catch((error) => {
    if (!existsSync(path)) throw error; // another process was faster
  });
  return true;
}

/** Ask for what is missing, once; why it failed, if it did. */
async function attempt(options: Download, content: Content): Promise<string | undefined> {
  const { url, token, name, size, refusal, onBytes, signal } = options;
  const from = content.length;
  try {
    const response = await fetch(url, {
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}), // fetch takes it off where it is sent on to another host
        ...(from > 0 ? { range: `bytes=${from}-` } : {}),
        "accept-encoding": "identity",
      },
      ...(signal ? { signal } : {}),
    });
    const { status, body } = response;
    if (status === 416 || (status === 200 && from > 0)) await content.restart(); // no ranges here: from the start
    if (status !== 200 && status !== 206) {
      await body?.cancel();
      if (status >= 500 || status === 429 || status === 416) return `the hub answers ${status}`;
      throw new DistillError(refusal(status));
    }
    const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
    if (status === 206 && Number(range) !== from) return `the hub answers with bytes from ${range}, not from ${from}`;
    for await (const piece of body ?? []) {
      if (content.length + piece.byteLength > size)
        throw new DistillError(
          `${name} is longer than the ${size} bytes that the hub says it has. Nothing of it is used.`,
        );
      await content.append(piece);
      onBytes(content.length);
    }
    return undefined;
  } catch (error) {
    if (error instanceof DistillError || (error as NodeJS.ErrnoException).syscall === "write") throw error;
    return reasonOf(error);
  }
}

/** What came so far, with its hash. */
class Content {
  length = 0;
  private hashing: Hash;
  private readonly file: FileHandle;
  private readonly size: number;
  private readonly hash: string;

  constructor(file: FileHandle, size: number, hash: string) {
    [this.file, this.size, this.hash] = [file, size, hash];
    this.hashing = this.begun();
  }

  /** Go on from what an earlier run left. */
  async recall(onBytes: (bytes: number) => void, signal: AbortSignal | undefined): Promise<void> {
    if ((await this.file.stat()).size > this.size) await this.restart();
    const buffer = Buffer.alloc(1 << 20);
    while (!signal?.aborted) {
      const { bytesRead } = await this.file.read(buffer, 0, buffer.length, this.length);
      if (bytesRead === 0) return;
      this.hashing.update(buffer.subarray(0, bytesRead));
      this.length += bytesRead;
      onBytes(this.length);
    }
  }

  async append(piece: Uint8Array): Promise<void> {
    for (let done = 0; done < piece.byteLength; )
      done += (await this.file.write(piece, done, piece.byteLength - done, this.length + done)).bytesWritten;
    this.hashing.update(piece);
    this.length += piece.byteLength;
  }

  async restart(): Promise<void> {
    await this.file.truncate(0);
    this.length = 0;
    this.hashing = this.begun();
  }

  digest = () => this.hashing.digest("hex");

  private begun(): Hash {
    return this.hash.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${this.size}\0`);
  }
}
