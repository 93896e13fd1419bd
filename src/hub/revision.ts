/** @file A revision of a repository, online or from the cache, and the files of it that are needed. */

import { statfsSync } from "node:fs";
import { dirname } from "node:path/posix";
import { DistillError } from "../core/errors.ts";
import { makeFolder } from "../core/files.ts";
import { startProgress } from "../core/progress.ts";
import { type HubFile, hubApi, refusal, Unreachable } from "./api.ts";
import { type CachedRepository, cachedRepository } from "./cache.ts";
import { download } from "./download.ts";
import { formatHubReference, type HubReference } from "./reference.ts";
import type { HubSettings } from "./settings.ts";

export type HubRevision = {
  commit: string;
  /** The folder that its files lie in, under their names. */
  folder: string;
  /** The names of the files in a folder: the hub's, or those that are in the cache where it cannot be asked. */
  files(folder: string): Promise<string[]>;
  /** Have files, all or (`optional`) those that exist; false where `signal` stopped it. */
  need(files: readonly string[], optional?: boolean): Promise<boolean>;
};

/** Find the commit of a revision. Where the hub cannot be asked it is the one that the cache knows. */
export async function openHubRevision(
  reference: HubReference,
  settings: HubSettings,
  signal?: AbortSignal,
): Promise<HubRevision> {
  const cached = cachedRepository(settings.cache, reference);
  const api = hubApi(settings, signal);
  const name = formatHubReference(reference);
  if (settings.offline) return offline(reference, cached, "HF_HUB_OFFLINE says not to ask the hub");
  let commit: string;
  try {
    commit = await api.commitOf(reference);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    const found = offline(reference, cached, `the hub at ${settings.endpoint} cannot be reached (${error.message})`);
    console.error(
      `The hub cannot be reached (${error.message}); ${name} is taken from the cache, commit ${found.commit}.`,
    );
    return found;
  }
  const lost = (error: Error): never => {
    if (!(error instanceof Unreachable)) throw error;
    throw new DistillError(
      `The files of ${name} cannot be listed: the hub at ${settings.endpoint} cannot be reached any more (${error.message}). Run the command again, or set HF_HUB_OFFLINE=1 to take what is in the cache.`,
    );
  };
  const listings = new Map<string, Promise<HubFile[]>>();
  const listing = (folder: string) => {
    const known = listings.get(folder) ?? api.files(reference, commit, folder).catch(lost);
    listings.set(folder, known);
    return known;
  };
  return {
    commit,
    folder: cached.snapshot(commit),
    files: async (folder) => (await listing(folder)).map(({ path }) => path.slice(folder ? folder.length + 1 : 0)),
    async need(files, optional = false) {
      const wanted: HubFile[] = [];
      for (const file of files) {
        const there = await listing(folderOf(file));
        const found = there.find(({ path }) => path === file);
        if (found) wanted.push(found);
        else if (!optional) throw new DistillError(missing(name, file, there));
      }
      const whole = await fetchAll(wanted, { reference, commit, cached, settings, signal });
      if (whole) cached.remember(reference.revision, commit);
      return whole;
    },
  };
}

const folderOf = (file: string) => (dirname(file) === "." ? "" : dirname(file));

/** What the cache has of a revision. */
function offline(reference: HubReference, cached: CachedRepository, why: string): HubRevision {
  const name = formatHubReference(reference);
  const cure = "Fetch it once with a network, or give the path of a folder or file that is here";
  const commit = cached.commitOf(reference.revision);
  if (!commit || cached.files(commit, "").length + cached.files(commit, folderOf(reference.file ?? "")).length === 0)
    throw new DistillError(`${name} is not in the cache (${cached.folder}), and ${why}. ${cure}.`);
  return {
    commit,
    folder: cached.snapshot(commit),
    files: async (folder) => cached.files(commit, folder),
    async need(files, optional = false) {
      const absent = files.find((file) => !cached.has(commit, file));
      if (absent !== undefined && !optional)
        throw new DistillError(`${name} is in the cache without ${absent}, and ${why}. ${cure}.`);
      return true;
    },
  };
}

function missing(name: string, file: string, there: readonly HubFile[]): string {
  const paths = there.slice(0, 12).map(({ path }) => path);
  const names = paths.join(", ") + (there.length > 12 ? ` and ${there.length - 12} more` : "");
  return `${name} has no file ${file}. ${there.length > 0 ? `There are: ${names}.` : "There are none beside it."}`;
}

type Fetching = {
  reference: HubReference;
  commit: string;
  cached: CachedRepository;
  settings: HubSettings;
  signal: AbortSignal | undefined;
};

const MB = 1e6;

async function fetchAll(wanted: readonly HubFile[], fetching: Fetching): Promise<boolean> {
  const { reference, commit, cached, settings, signal } = fetching;
  const absent = wanted.filter(({ path, size }) => !cached.has(commit, path, size));
  if (absent.length === 0) return true;
  const total = absent.reduce((sum, { size }) => sum + size, 0);
  requireSpace(settings.cache, total, formatHubReference(reference));
  const progress = startProgress(`fetch ${reference.name}`, Math.ceil(total / MB), "MB");
  let before = 0;
  try {
    for (const { path, size, hash } of absent) {
      const there =
        cached.keeps(hash, size) ||
        (await download({
          url: `${settings.endpoint}/${reference.type === "dataset" ? "datasets/" : ""}${reference.name}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`,
          token: settings.token,
          size,
          hash,
          path: cached.blob(hash),
          name: `${path} of ${formatHubReference(reference)}`,
          refusal: (status) => refusal(reference, status),
          onBytes: (bytes) => progress.update(Math.floor((before + bytes) / MB), path),
          signal,
        }));
      if (!there) return false;
      cached.link(commit, path, hash);
      before += size;
    }
    progress.update(Math.ceil(total / MB), `${absent.length} ${absent.length === 1 ? "file" : "files"}`);
  } finally {
    progress.end();
  }
  return true;
}

function requireSpace(cache: string, bytes: number, name: string): void {
  makeFolder(cache);
  const { bavail, bsize } = statfsSync(cache);
  if (bytes > bavail * bsize)
    throw new DistillError(
      `${name} needs ${(bytes / 1e9).toFixed(1)} GB, and ${cache} has room for ${((bavail * bsize) / 1e9).toFixed(1)} GB. Free some, or set HF_HUB_CACHE to another disk.`,
    );
}
