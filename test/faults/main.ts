/** @file npm run test:faults: every fault, and what it cost, in figures of which each bad one must be 0. `-- storm disk` tries some. */

import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { finished, tryCrashPoints } from "./crash-points.ts";
import { tryDamage } from "./damage.ts";
import { tryDisks, tryGone, tryReadOnly } from "./disk.ts";
import { killReinforcement } from "./grpo-kills.ts";
import { serverStorm } from "./server-storm.ts";
import { storm } from "./storm.ts";
import { cli, makeWorld, removeWorld, VERBS, type World } from "./world.ts";
import { tryWriters } from "./writers.ts";

const lanes = availableParallelism() + 1; // while one process starts, another waits for its disk
const CHANGED = ["sampling.temperature=1.5", "trainer.learning_rate=0.002"];
const seconds = () => `${Math.round((performance.now() - begun) / 1000)} s`;
const begun = performance.now();

const [done, other] = [makeWorld(), makeWorld()];
const reference = await finished(done);
const changed = await finished(other, CHANGED);
const settings = [
  { overrides: [], reference },
  { overrides: CHANGED, reference: changed },
];
const verb = async (world: World, ...args: string[]) => {
  const { code, said } = await cli([args[0]!, world.recipe, ...args.slice(1)]);
  if (code !== 0) throw new Error(said);
};

const PARTS: Record<string, () => Promise<Record<string, unknown>>> = {
  storm: () => storm(settings, 300, lanes),
  crash_points: () => {
    const fresh = VERBS.map((killed, i) => ({
      name: `fresh ${killed}`,
      before: async (world: World) => {
        if (i > 0) await verb(world, VERBS[i - 1]!);
      },
      killed,
      overrides: [],
      reference,
    }));
    const other = (["sample", "train"] as const).map((killed) => ({
      name: `${killed} with another recipe`,
      before: async (world: World) => {
        await verb(world, killed);
        if (killed === "train") await verb(world, "sample", ...CHANGED);
      },
      killed,
      overrides: CHANGED,
      reference: changed,
    }));
    const lost = (["sample", "train"] as const).map((killed) => ({
      name: `${killed} without a manifest`,
      before: async (world: World) => {
        await verb(world, killed);
        rmSync(join(world.output, "manifest.json"));
      },
      killed,
      overrides: [],
      reference,
    }));
    return tryCrashPoints(makeWorld(), [...fresh, ...other, ...lost], { lanes });
  },
  damage: () => tryDamage(done, reference, { lanes }),
  full_disks: () =>
    tryDisks(
      done,
      reference,
      Array.from({ length: 20 }, (_, i) => (i / 20) ** 2), // most of what can go wrong does so early
      lanes,
    ),
  read_only: () => tryReadOnly(done),
  folder_gone: () => tryGone([200, 500, 800, 1100, 1500, 2000, 2600, 3300, 4000, 5000], lanes),
  writers: () => tryWriters(reference, 5, 6),
  servers: () => serverStorm(200),
  reinforcement: () => killReinforcement(30),
};

/** Figures that must be 0. */
const BAD = [
  "lost",
  "doubled",
  "mixed",
  "different",
  "leftovers",
  "failed",
  "unnoticed",
  "stacks",
  "silent",
  "wrong",
  "wrong_codes",
  "asked_again",
  "unbooked",
];

const wanted = process.argv.slice(2);
let bad = 0;
for (const [name, part] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const { notes = [], ...figures } = (await part()) as { notes?: string[] };
  console.log(`${name.padEnd(13)} ${JSON.stringify(figures)} (${seconds()})`);
  for (const note of notes) console.log(`  ${note.replaceAll("\n", "\n  ")}`);
  for (const [figure, value] of Object.entries(figures)) if (BAD.includes(figure)) bad += Number(value);
}
removeWorld(done);
removeWorld(other);
console.log(bad === 0 ? `Nothing lost, doubled, mixed or unnoticed, in ${seconds()}.` : `${bad} faults went wrong.`);
process.exitCode = bad === 0 ? 0 : 1;
