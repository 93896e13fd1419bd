/** @file Traces of a run that an earlier version made: those that were drawn as the recipe asks are not drawn again. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../../core/errors.ts";
import { deriveSeed } from "../../core/random.ts";
import type { Prompt } from "../../core/trace.ts";
import { openLedger } from "../../data/ledger.ts";
import { type Draw, drawsTable, inTables, readTraces, rowsIn, type Trace } from "../../data/traces.ts";
import { conversationOf } from "../../sampling/draw.ts";
import type { LedgerPlace } from "../../sampling/ledger.ts";
import type { SamplerOptions } from "../../sampling/options.ts";
import { EARLIER } from "../../store/earlier.ts";
import type { Teacher } from "../../teachers/teacher.ts";

/** Put earlier traces into the ledger, as far as they are what would be drawn. How many were not there yet. */
export function takeEarlierTraces(
  output: string,
  { draws }: LedgerPlace,
  teacher: Teacher,
  prompts: readonly Prompt[],
  options: SamplerOptions,
): number {
  const earlier = join(output, EARLIER);
  if (!existsSync(earlier)) return 0;
  const folders = readdirSync(earlier).filter((name) => /^traces(-[0-9a-f]+)?$/.test(name));
  if (folders.length === 0) return 0;
  const asked = new Map(prompts.map((prompt) => [prompt.id, prompt]));
  const ledger = openLedger(draws.folder, { key: draws.key });
  try {
    const known = new Set<string>();
    for (const { table } of ledger.tables())
      for (const { prompt_id, sample } of rowsIn<Draw>(table)) known.add(JSON.stringify([prompt_id, sample]));
    const taken: Draw[] = [];
    for (const folder of folders)
      for (const trace of readable(join(earlier, folder))) {
        const id = JSON.stringify([trace.prompt_id, trace.sample]);
        const prompt = asked.get(trace.prompt_id);
        if (!prompt || known.has(id) || !isWhatWouldBeDrawn(trace, prompt, teacher, options)) continue;
        known.add(id);
        taken.push({ ...trace, error: null });
      }
    for (const table of inTables(taken, drawsTable)) ledger.append(table);
    return taken.length;
  } finally {
    ledger.close();
  }
}

/** The traces of a folder, as far as they can be read: its writer may have been killed before the first, or within one. */
function* readable(folder: string): Generator<Trace> {
  if (!readdirSync(folder).some((name) => name.endsWith(".arrow"))) return;
  try {
    yield* readTraces(folder);
  } catch (error) {
    if (!(error instanceof DistillError)) throw error;
    console.error(`${error.message} What cannot be read there is drawn again.`);
  }
}

/** Everything that a trace's columns say agrees; stop strings, of which they say nothing, must not be asked for. */
function isWhatWouldBeDrawn(trace: Trace, prompt: Prompt, teacher: Teacher, options: SamplerOptions): boolean {
  const { temperature, top_p, top_k, min_p, max_completion_length, stop, seed } = options;
  return (
    stop.length === 0 &&
    trace.prompt === prompt.prompt &&
    trace.teacher_hash !== null &&
    trace.teacher_hash === teacher.hash &&
    trace.temperature === temperature &&
    trace.top_p === top_p &&
    trace.top_k === top_k &&
    trace.min_p === min_p &&
    trace.max_completion_length === max_completion_length &&
    trace.seed === deriveSeed(seed, prompt.id, trace.sample) &&
    // one that was cut by another limit, such as that of the context
    (trace.finish_reason === "stop" || trace.token_ids.length === max_completion_length) &&
    trace.prompt_text === teacher.render(conversationOf(prompt, options)) &&
    // a template may pass over a turn that would be trained on
    JSON.stringify(trace.messages) === JSON.stringify(conversationOf(prompt, options))
  );
}
