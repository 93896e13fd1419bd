/** @file The cache's layout, which Python's huggingface_hub shares: blobs/<hash>, refs/<revision>, snapshots/<commit>/<file>. */

import { copyFileSync, existsSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { makeFolder, writeWhole } from "../core/files.ts";
import { readFile } from "../core/streams.ts";
import type { HubReference } from "./reference.ts";

export const COMMIT = /^[0-9a-f]{40}$/;

export type CachedRepository = {
  folder: string;
  /** The commit that a revision was when it was last asked for. */
  commitOf(revision: string): string | undefined;
  remember(revision: string, commit: string): void;
  /** The folder of a commit's files. */
  snapshot(commit: string): string;
  /** The names of files that are there, in a folder of the commit. */
  files(commit: string, folder: string): string[];
  /** The file of a commit, if it is there with so many bytes. */
  has(commit: string, file: string, size?: number): boolean;
  /** Where content with this hash is kept. */
  blob(hash: string): string;
  /** Whether it is. */
  keeps(hash: string, size: number): boolean;
  /** Give content that is kept a name in a commit. */
  link(commit: string, file: string, hash: string): void;
};

export function cachedRepository(cache: string, { type, name }: HubReference): CachedRepository {
  const folder = join(cache, `${type}s--${name.replace("/", "--")}`);
  const snapshot = (commit: string) => join(folder, "snapshots", commit);
  const blob = (hash: string) => join(folder, "blobs", hash);
  return {
    folder,
    snapshot,
    blob,
    commitOf(revision) {
      if (COMMIT.test(revision)) return revision;
      const path = join(folder, "refs", revision);
      const commit = existsSync(path) && statSync(path).isFile() ? readFile(path).toString("utf8").trim() : "";
      return COMMIT.test(commit) ? commit : undefined;
    },
    remember(revision, commit) {
      if (revision !== commit) writeWhole(join(folder, "refs", revision), commit);
    },
    files(commit, inside) {
      const path = join(snapshot(commit), inside);
      return existsSync(path) ? readdirSync(path).filter((file) => isFile(join(path, file))) : [];
    },
    has(commit, file, size) {
      const path = join(snapshot(commit), file);
      return isFile(path) && (size === undefined || statSync(path).size === size);
    },
    keeps: (hash, size) => isFile(blob(hash)) && statSync(blob(hash)).size === size,
    link(commit, file, hash) {
      const path = join(snapshot(commit), file);
      makeFolder(dirname(path));
      rmSync(path, { force: true });
      try {
        symlinkSync(relative(dirname(path), blob(hash)), path);
      } catch {
        copyFileSync(blob(hash), path); // Windows lets only some users make links
      }
    },
  };
}

/** Whether there is a file behind a name; a link whose blob is gone is none. */
const isFile = (path: string) => existsSync(path) && statSync(path).isFile();
