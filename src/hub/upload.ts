/** @file Files of this machine become a commit of a model's repository on the hub. */

import { openAsBlob } from "node:fs";
import { commitIter, createRepo, HubApiError, whoAmI } from "@huggingface/hub";
import { DistillError } from "../core/errors.ts";
import { reasonOf } from "./api.ts";
import type { HubSettings } from "./settings.ts";

/** A file of this machine, or a text, and its path in the repository. */
export type Upload = { path: string; bytes: number } & ({ file: string } | { text: string });

export type UploadOptions = {
  /** owner/name */
  name: string;
  branch: string;
  private: boolean;
  title: string;
  signal: AbortSignal;
  /** Called while files are read and sent. */
  onProgress(path: string, share: number): void;
};

/** Make the repository where there is none, and commit the files. Returns the address of the commit. */
export async function uploadModel(
  settings: HubSettings,
  files: readonly Upload[],
  { name, branch, title, signal, onProgress, ...options }: UploadOptions,
): Promise<string> {
  const { endpoint, token, offline } = settings;
  if (offline) throw new DistillError("HF_HUB_OFFLINE is set, and nothing is sent to the hub. Unset it to push.");
  if (!token?.startsWith("hf_"))
    throw new DistillError(
      token
        ? "HF_TOKEN is no token of the hub: those begin with hf_."
        : `The hub takes no files without a token. Set HF_TOKEN to one with the right to write to ${name}, or run hf auth login.`,
    );
  const asking = { hubUrl: endpoint, accessToken: token };
  const repo = { type: "model" as const, name };
  try {
    await whoAmI(asking); // a token that is none is said before anything is made
    await createRepo({ ...asking, repo, ...(options.private ? { visibility: "private" as const } : {}) }).catch(
      (error) => {
        if (!(error instanceof HubApiError && error.statusCode === 409)) throw error; // it is there
      },
    );
    const operations = await Promise.all(
      files.map(async (one) => ({
        operation: "addOrUpdate" as const,
        path: one.path,
        content: "file" in one ? await openAsBlob(one.file) : new Blob([one.text]),
      })),
    );
    const work = commitIter({ ...asking, repo, branch, title, operations, abortSignal: signal });
    for (;;) {
      const { value, done } = await work.next();
      if (done) return value!.commit.url;
      if (value.event === "fileProgress") onProgress(value.path, value.progress);
    }
  } catch (error) {
    if (error instanceof HubApiError) throw new DistillError(refused(name, error));
    if (error instanceof TypeError || (error as Error).name === "TypeError")
      throw new DistillError(
        `The hub at ${endpoint} cannot be reached: ${reasonOf(error)}. Nothing was committed; try again.`,
      );
    throw error;
  }
}

function refused(name: string, { statusCode, message }: HubApiError): string {
  const why = message.replace(/\s*-?\s*Request ID:.*$/s, "").replace(/[.\s]+$/, "");
  if (statusCode === 401)
    return `The hub does not know the token in HF_TOKEN (401). Make one that may write, and set HF_TOKEN to it.`;
  if (statusCode === 403)
    return `The token in HF_TOKEN may not write to ${name} (403): ${why}. Give it the right to write there, or take a name of your own.`;
  return `The hub does not take the files of ${name} (${statusCode}): ${why}.`;
}
