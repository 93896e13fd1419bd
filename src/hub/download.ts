/** @file One file from the hub, gone on with where it was cut and checked at its end. @huggingface/hub does neither. */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { DistillError } from "../core/errors.ts";
import { makeFolder } from "../core/files.ts";
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
  makeFolder(dirname(path));
  const file = await open(partial, existsSync(partial) ? "r+" : "w+");
  try {
    const left = (await file.stat()).size;
    const content: Content = { file, length: left <= size ? left : 0 };
    onBytes(content.length);
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
    await file.truncate(size);
    await file.sync();
    const found = await hashOf(file, size, hash.length === 64 ? "sha256" : "git hash");
    if (found !== hash) {
      await rm(partial, { force: true });
      throw new DistillError(
        `${name} came broken: its ${hash.length === 64 ? "sha256" : "git hash"} is ${found}, and the hub says ${hash}. It was thrown away; run the command again.`,
      );
    }
  } finally {
    await file.close();
  }
  await rename(partial, path).catch((error) => {
    if (!existsSync(path)) throw error; // another process was faster
  });
  return true;
}

/** What came so far: the first `length` bytes of the file. */
type Content = { file: FileHandle; length: number };

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
    if (status === 416 || status === 200) content.length = 0; // no ranges here: from the start
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
      await append(content, piece);
      onBytes(content.length);
    }
    return undefined;
  } catch (error) {
    if (error instanceof DistillError || (error as NodeJS.ErrnoException).syscall === "write") throw error;
    return reasonOf(error);
  }
}

async function append(content: Content, piece: Uint8Array): Promise<void> {
  const { file, length } = content;
  for (let done = 0; done < piece.byteLength; )
    done += (await file.write(piece, done, piece.byteLength - done, length + done)).bytesWritten;
  content.length += piece.byteLength;
}

/** The hash of what is on the disk. */
async function hashOf(file: FileHandle, size: number, kind: "sha256" | "git hash"): Promise<string> {
  const hashing = kind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
  const buffer = Buffer.alloc(1 << 20);
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return hashing.digest("hex");
    hashing.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}
