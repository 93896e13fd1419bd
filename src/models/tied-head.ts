/** @file Whether a folder has a head beside the embedding that its config ties it to. */

import { closeSync, statSync } from "node:fs";
import { readAt } from "../core/reading.ts";
import { openFile } from "../core/streams.ts";
import { openSafetensors } from "../formats/safetensors.ts";

const [HEAD, EMBEDDING] = ["lm_head.weight", "model.embed_tokens.weight"];
const CHUNK = 1 << 22;

/** What was found, by the files' names and times. */
const known = new Map<string, boolean>();

/** Whether both tensors are there, in the files that `locate` names, and differ: then transformers does not tie them. */
export function hasOtherHead(locate: (name: string) => string | undefined): boolean {
  const paths = [locate(HEAD), locate(EMBEDDING)];
  if (!paths.every((path) => path !== undefined)) return false;
  const key = paths.map((path) => `${path} ${statSync(path, { throwIfNoEntry: false })?.mtimeMs}`).join();
  if (!known.has(key)) known.set(key, differ(paths as [string, string]));
  return known.get(key)!;
}

function differ([headPath, embeddingPath]: [string, string]): boolean {
  const entry = (path: string, name: string) => {
    const file = openSafetensors(path);
    file.close();
    return file.entries.get(name);
  };
  const [head, embedding] = [entry(headPath, HEAD), entry(embeddingPath, EMBEDDING)];
  if (!head || !embedding) return false;
  if (head.dtype !== embedding.dtype || head.end - head.begin !== embedding.end - embedding.begin) return true;
  const files = [openFile(headPath), openFile(embeddingPath)] as const;
  try {
    for (let at = 0; at < head.end - head.begin; at += CHUNK) {
      const length = Math.min(CHUNK, head.end - head.begin - at);
      const [a, b] = [
        readAt(headPath, files[0], head.begin + at, length),
        readAt(embeddingPath, files[1], embedding.begin + at, length),
      ];
      if (Buffer.compare(a, b) !== 0) return true;
    }
    return false;
  } finally {
    for (const file of files) closeSync(file);
  }
}
