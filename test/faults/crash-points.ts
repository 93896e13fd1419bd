/** @file Every moment at which a process can be killed around a change of its files, and whether the run is well after it. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  cli,
  cliProcess,
  copyWorld,
  faultless,
  figuresOf,
  inLanes,
  isSentence,
  type Reference,
  referenceOf,
  removeWorld,
  VERBS,
  type Verb,
  type World,
} from "./world.ts";

export type CrashFigures = { points: number; states: number; failed: number; notes: string[] };

type Case = {
  name: string;
  /** What leads to where it begins. */
  before?: (world: World) => Promise<void> | void;
  /** The verb that is killed at each point, and what must be right when it was given again. */
  killed: Verb;
  /** Overrides of the recipe with which it must end well. */
  overrides: string[];
  reference: Reference;
};

/** Run the commands of a case once, taking every state on the way, then go on from each of them to the end. */
export async function tryCrashPoints(
  start: World,
  cases: readonly Case[],
  { lanes, most = Number.POSITIVE_INFINITY }: { lanes: number; most?: number },
): Promise<CrashFigures> {
  const figures: CrashFigures = { points: 0, states: 0, failed: 0, notes: [] };
  for (const { name, before, killed, overrides, reference } of cases) {
    const world = copyWorld(start, existsSync(start.output) ? start.output : undefined);
    const states = mkdtempSync(join(tmpdir(), "states-"));
    await before?.(world);
    const env = { FAULTS_FOLDER: world.output, FAULTS_STATES: states };
    const first = await cliProcess([killed, world.recipe, ...overrides], { preload: "preload.js", env });
    if (first.code !== 0) throw new Error(`${name}: ${killed} itself failed: ${first.said}`);
    const files = readdirSync(states).sort();
    for (const file of files)
      if (file.startsWith("points-")) figures.points += JSON.parse(readFileSync(join(states, file), "utf8")).points;
    const all = files.filter((file) => file.startsWith("state-"));
    const chosen = all.filter((_, i) => i % Math.max(1, Math.ceil(all.length / most)) === 0);
    figures.states += chosen.length;
    await inLanes(chosen, lanes, async (file) => {
      const { what, files } = JSON.parse(readFileSync(join(states, file), "utf8")) as {
        what: string;
        files: [string, string | null][];
      };
      const again = copyWorld(start, undefined);
      for (const [path, hash] of files) {
        const target = join(again.output, path);
        if (hash === null) mkdirSync(target, { recursive: true });
        else {
          mkdirSync(dirname(target), { recursive: true });
          writeFileSync(target, readFileSync(join(states, "blobs", hash)));
        }
      }
      const { code, said } = await cli([killed, again.recipe, ...overrides]);
      const verbs = VERBS.slice(0, VERBS.indexOf(killed) + 1);
      const found = code === 0 ? figuresOf(again, reference, verbs) : undefined;
      if (code !== 0 || !isSentence(said) || !faultless(found!)) {
        figures.failed++;
        figures.notes.push(`${name}, ${what}: ${found ? JSON.stringify(found) : said.slice(-400)}`);
      }
      removeWorld(again);
    });
    rmSync(states, { recursive: true });
    removeWorld(world);
  }
  return figures;
}

/** A world that ran to its end with overrides, and what it came to. */
export async function finished(world: World, overrides: readonly string[] = []): Promise<Reference> {
  const { code, said } = await cli(["run", world.recipe, ...overrides]);
  if (code !== 0) throw new Error(said);
  return referenceOf(world);
}
