/** @file Disks that fill up, have no room for more files, can only be read, or are gone. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeInUse } from "../support/remove.ts";
import {
  cli,
  cliProcess,
  copyWorld,
  faultless,
  figuresOf,
  inLanes,
  isSentence,
  makeWorld,
  type Reference,
  removeWorld,
  type World,
} from "./world.ts";

export type DiskFigures = { disks: number; stacks: number; silent: number; lost: number; notes: string[] };

const bytesIn = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);

/** Disks that have room for some `shares` of what is needed, in bytes and in files; then there is room, and the run ends well. */
export async function tryDisks(
  done: World,
  reference: Reference,
  shares: readonly number[],
  lanes: number,
): Promise<DiskFigures> {
  const figures: DiskFigures = { disks: 0, stacks: 0, silent: 0, lost: 0, notes: [] };
  const enough = 2 * bytesIn(done.output);
  const by = (name: string, most: number) => shares.map((share) => ({ [name]: String(Math.round(most * share)) }));
  await inLanes([...by("FAULTS_BYTES", enough), ...by("FAULTS_FILES", 250)], lanes, async (disk) => {
    const world = makeWorld();
    const { code, said } = await cliProcess(["run", world.recipe], {
      preload: "preload.js",
      env: { FAULTS_FOLDER: world.output, ...disk } as Record<string, string>,
    });
    figures.disks++;
    if (!isSentence(said)) {
      figures.stacks++;
      figures.notes.push(`${JSON.stringify(disk)}: ${said.slice(-700)}`);
    }
    if (code !== 0 && !/ENOSPC|no space/.test(said)) {
      figures.silent++;
      figures.notes.push(`${JSON.stringify(disk)}: ${code} ${said.slice(-300)}`);
    }
    const again = await cli(["run", world.recipe]);
    const found = again.code === 0 ? figuresOf(world, reference) : undefined;
    if (!found || !faultless(found)) {
      figures.lost++;
      figures.notes.push(
        `${JSON.stringify(disk)}, then enough: ${found ? JSON.stringify(found) : again.said.slice(-300)}`,
      );
    }
    removeWorld(world);
  });
  return figures;
}

const READ_ONLY = [
  ["run", [], 0],
  ["sample", ["sampling.temperature=1.1"], 1],
  ["eval", [], 0],
  ["plan", [], 0],
  ["run", ["trainer.learning_rate=0.002"], 1],
] as const;

/** A disk that can only be read: what is done is shown, and what is not ends in a sentence. At `most` so many commands. */
export async function tryReadOnly(done: World, most: number = READ_ONLY.length): Promise<DiskFigures> {
  const figures: DiskFigures = { disks: 0, stacks: 0, silent: 0, lost: 0, notes: [] };
  for (const [verb, overrides, wanted] of READ_ONLY.slice(0, most)) {
    const copy = copyWorld(done, done.output);
    const env = { FAULTS_FOLDER: copy.output, FAULTS_READ_ONLY: "1" };
    const { code, said } = await cliProcess([verb, copy.recipe, ...overrides], { preload: "preload.js", env });
    figures.disks++;
    if (!isSentence(said)) figures.stacks++;
    if (code !== wanted || (wanted === 1 && !/EROFS|read-only/.test(said))) figures.silent++;
    if (!isSentence(said) || code !== wanted) figures.notes.push(`${verb} ${overrides}: ${code} ${said.slice(-400)}`);
    removeWorld(copy);
  }
  return figures;
}

/** The folder is removed while the run goes on, at several moments. */
export async function tryGone(moments: readonly number[], lanes: number): Promise<DiskFigures> {
  const figures: DiskFigures = { disks: 0, stacks: 0, silent: 0, lost: 0, notes: [] };
  await inLanes(moments, lanes, async (wait) => {
    const world = makeWorld();
    let removed = false;
    const { code, said } = await cliProcess(["run", world.recipe], {
      during: () =>
        void sleep(wait).then(() => {
          if (!existsSync(world.output)) return;
          removeInUse(world.output);
          removed = true;
        }),
    });
    figures.disks++;
    if (!isSentence(said)) {
      figures.stacks++;
      figures.notes.push(`gone after ${wait} ms: ${said.slice(-600)}`);
    }
    if (removed && code === 0 && !existsSync(join(world.output, "manifest.json"))) {
      figures.silent++;
      figures.notes.push(`gone after ${wait} ms, and nothing was said: ${said.slice(-300)}`);
    }
    removeWorld(world);
  });
  return figures;
}
