/** @file What a run left in the files that it writes whole: what lies there otherwise is somebody's. */

import { z } from "zod";
import { encodeState, readState } from "./state.ts";

const Kept = z.object({
  /** Of each file, by name in the run's folder, the sha256 of what may lie there: what did, and what was to be written. */
  files: z.record(z.string(), z.array(z.string())),
  /** The folder is older than this list: of a file that is not in it nothing is known. */
  partial: z.boolean(),
});
type Kept = z.output<typeof Kept>;

export type WholeFiles = {
  /** Whether this content of a file may be replaced: the run wrote it, or nothing is known of the file. */
  isOwn(name: string, hash: string): boolean;
  /** Note what is about to be written in the place of `before`. */
  begin(name: string, hash: string, before: string | undefined): void;
};

/** The list of a new folder, in which there is nothing yet. */
export const noFiles = (): string => encodeState({ files: {}, partial: false } satisfies Kept);

/** The list in the file `memory`, which `write` writes. */
export function wholeFiles(memory: string, write: (content: string) => void): WholeFiles {
  let kept: Kept | undefined;
  const now = () => {
    kept ??= Kept.safeParse(readState(memory)?.state).data ?? { files: {}, partial: true };
    return kept;
  };
  return {
    isOwn(name, hash) {
      const { files, partial } = now();
      return Object.hasOwn(files, name) ? files[name]!.includes(hash) : partial;
    },
    begin(name, hash, before) {
      const next = [...new Set([...(before === undefined ? [] : [before]), hash])];
      if (String(now().files[name]) === String(next)) return;
      now().files[name] = next;
      write(encodeState(now()));
    },
  };
}
