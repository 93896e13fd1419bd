/** @file What a student wrote at a step of its reinforcement, read beside the run or after it. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../../core/errors.ts";
import { readLedger } from "../../data/ledger.ts";
import { type Rollout, rolloutOf } from "../../data/rollouts.ts";
import { rowsIn } from "../../data/traces.ts";
import { samplesOf } from "../../trainers/policy/samples.ts";

/** The completions that say most of a generation, counted from 1; of the last unless given. `output` is the run's folder. */
export function rolloutsShown(output: string, generation?: number): string {
  const place = join(output, "rollouts");
  const folders = existsSync(place) ? readdirSync(place).map((name) => join(place, name)) : [];
  const newest = folders.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
  if (!newest)
    throw new DistillError(`${place} is not there: the student has written nothing yet. Run distill train first.`);
  let last = 0;
  let found: Rollout[] = [];
  for (const { table } of readLedger(newest))
    for (const row of rowsIn<Rollout>(table)) {
      if (generation === undefined && row.step > last) found = [];
      last = Math.max(last, row.step);
      if (row.step === (generation ?? last)) found.push(rolloutOf(row));
    }
  if (found.length === 0)
    throw new DistillError(`${newest} holds ${last} generations, and no generation ${generation}.`);
  return samplesOf((generation ?? last) - 1, found);
}
