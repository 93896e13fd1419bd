/** @file Batches as plain files: for vLLM's run_batch, and for people who upload by hand. */

import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../../core/files.ts";
import { linesOf, type Transport } from "./batch.ts";

/** Requests are written to a folder, and answered by whatever else of .jsonl lies there. */
export const filesIn = (folder: string): Transport => ({
  async answers({ hash, attempts }, content) {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `requests-${hash}.jsonl`);
    if (!existsSync(path)) writeWhole(path, content);
    const others = readdirSync(folder).filter((name) => name.endsWith(".jsonl") && !name.startsWith("requests-"));
    const lines = linesOf(others.sort().map((name) => readFileSync(join(folder, name), "utf8")));
    // a chunk is answered as a whole: what is missing in it is asked again
    return attempts.some(({ id, attempt }) => lines.has(`${id}-${attempt}`)) ? lines : undefined;
  },
});
