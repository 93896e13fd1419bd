/** @file Kills at random moments of every stage, by every signal, with settings that change to and fro. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../src/core/random.ts";
import {
  cli,
  cliProcess,
  type Figures,
  figuresOf,
  inLanes,
  isSentence,
  makeWorld,
  type Reference,
  removeWorld,
} from "./world.ts";

export type StormFigures = {
  kills: Record<string, number>;
  /** Runs that came to their end before they were killed. */
  ended: number;
  wrong_codes: number;
  stacks: number;
  slowest_stop_s: number;
} & Omit<Figures, "notes"> & { notes: string[] };

const SIGNALS = ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"] as const;
const CODES: Record<string, number> = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 };

/** Settings with what each must come to. */
export type Settings = { overrides: string[]; reference: Reference }[];

/** `kills` in all, spread over as many folders as there are lanes. */
export async function storm(settings: Settings, kills: number, lanes: number, seed = 1): Promise<StormFigures> {
  const figures: StormFigures = {
    kills: {},
    ended: 0,
    wrong_codes: 0,
    stacks: 0,
    slowest_stop_s: 0,
    lost: 0,
    doubled: 0,
    mixed: 0,
    different: 0,
    leftovers: 0,
    notes: [],
  };
  let left = kills;
  await inLanes([...Array(lanes).keys()], lanes, async (lane) => {
    const random = seededRandom(seed + lane);
    while (left > 0) {
      const world = makeWorld();
      // to and fro between the settings, killed all the time, until one of them comes to its end
      let at = 0;
      for (let calm = false; !calm; ) {
        if (random.uniform() < 0.15) at = random.below(settings.length);
        const { overrides } = settings[at]!;
        const kill = left > 0 && left-- > 0;
        const signal = SIGNALS[left % SIGNALS.length]!;
        let sent: number | undefined;
        const {
          code,
          said,
          signal: by,
        } = await (kill
          ? cliProcess(["run", world.recipe, ...overrides], {
              during: async (send, spoken) => {
                const wait = random.uniform() * 1950;
                await spoken;
                await sleep(wait);
                sent = performance.now();
                send(signal);
              },
            })
          : cli(["run", world.recipe, ...overrides]));
        if (sent === undefined || code === 0) {
          if (kill) {
            left++;
            figures.ended++;
          }
          if (code !== 0 || !isSentence(said)) figures.notes.push(said.slice(-300));
          calm = code === 0;
          continue;
        }
        figures.kills[signal] = (figures.kills[signal] ?? 0) + 1;
        if (signal !== "SIGKILL") {
          figures.slowest_stop_s = Math.max(figures.slowest_stop_s, (performance.now() - sent) / 1000);
          if (code !== CODES[signal]) {
            figures.wrong_codes++;
            figures.notes.push(`${signal} ended with ${code ?? by}: ${said.slice(-300)}`);
          }
          if (!isSentence(said)) {
            figures.stacks++;
            figures.notes.push(said.slice(-600));
          }
        }
      }
      // each of the settings comes to what it comes to without a kill, whatever was begun under others
      for (const { overrides, reference } of settings) {
        const { code, said } = await cli(["run", world.recipe, ...overrides]);
        if (code !== 0) {
          figures.lost++;
          figures.notes.push(said.slice(-300));
          continue;
        }
        const { notes, ...found } = figuresOf(world, reference);
        for (const key of Object.keys(found) as (keyof typeof found)[]) figures[key] += found[key];
        figures.notes.push(...notes);
      }
      if (existsSync(join(world.output, "set-aside"))) {
        figures.different++;
        figures.notes.push(`set aside: ${readdirSync(join(world.output, "set-aside"))}`);
      }
      removeWorld(world);
    }
  });
  return figures;
}
