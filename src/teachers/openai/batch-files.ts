/** @file Batches as plain files: for vLLM's run_batch, and for people who upload by hand. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { makeFolder, writeWhole } from "../../core/files.ts";
import { contentHash } from "../../core/hash.ts";
import { readFile } from "../../core/streams.ts";
import { lineName } from "./attempt.ts";
import type { Transport } from "./batch.ts";
import { linesOf } from "./batch-lines.ts";

/** Requests are written to a folder, and answered by whatever else of .jsonl lies there, now or later. */
export const filesIn = (folder: string): Transport => ({
  later: true,
  async begin(chunk, content, save) {
    makeFolder(folder);
    // of what is left of a chunk there is a file too, with the same names of lines
    const path = join(folder, `requests-${contentHash(chunk.attempts.map((made) => lineName(chunk, made)))}.jsonl`);
    const answered = await this.answers(chunk);
    const none = !chunk.attempts.some((made) => answered?.has(lineName(chunk, made)));
    if (none && !existsSync(path)) writeWhole(path, content);
    if (!chunk.written) {
      chunk.written = true;
      await save();
    }
    return true;
  },
  async answers() {
    const others = readdirSync(folder).filter((name) => name.endsWith(".jsonl") && !name.startsWith("requests-"));
    return linesOf(others.sort().map((name) => readFile(join(folder, name)).toString("utf8")));
  },
});
