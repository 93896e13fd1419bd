import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { extent } from "../support/extent.ts";
import { finished, tryCrashPoints } from "./crash-points.ts";
import { tryDamage } from "./damage.ts";
import { tryDisks, tryGone, tryReadOnly } from "./disk.ts";
import { serverStorm } from "./server-storm.ts";
import { storm } from "./storm.ts";
import { cli, makeWorld, type Reference, removeWorld, type World } from "./world.ts";
import { tryWriters } from "./writers.ts";

/** Short forms; npm run test:faults tries everything. */

let done: World;
let reference: Reference;
before(async () => {
  done = makeWorld();
  reference = await finished(done);
});
after(() => removeWorld(done));

/** Asserts that these figures are 0. */
const none = <Figures extends object>(figures: Figures, ...names: (keyof Figures)[]) => {
  for (const name of names) assert.equal(figures[name], 0, `${String(name)}: ${JSON.stringify(figures, null, 2)}`);
};

test("random kills by every signal lose, double and mix nothing, and leave nothing behind", async () => {
  const figures = await storm([{ overrides: [], reference }], 4, 1); // one of each
  none(figures, "lost", "doubled", "mixed", "different", "leftovers", "stacks", "wrong_codes");
});

test("random kills of sampling from a server lose and double nothing, and no answer is asked for twice", async () => {
  const figures = await serverStorm(extent(3, 6), extent(100, 250)); // by each signal as often
  none(figures, "lost", "doubled", "mixed", "asked_again", "unbooked", "stacks");
});

test("a run that is killed around a change of its files goes on to the same end", async () => {
  const start = makeWorld();
  const train = {
    name: "train",
    before: async (world: World) => {
      await cli(["sample", world.recipe]);
    },
    killed: "train" as const,
    overrides: [],
    reference,
  };
  const figures = await tryCrashPoints(start, [train], { lanes: 2, most: 5 });
  assert.ok(figures.points > 100 && figures.states >= 4);
  none(figures, "failed");
  removeWorld(start);
});

test("what is deleted, cut or changed in a finished run is noticed, or nothing of it is used", async () => {
  const figures = await tryDamage(done, reference, { lanes: 2, most: 10 });
  assert.ok(figures.mended > 1);
  none(figures, "unnoticed", "stacks");
});

test("full disks, disks that can only be read and folders that are gone end in sentences, and cost nothing", async () => {
  none(await tryDisks(done, reference, [0.3], 2), "stacks", "silent", "lost");
  none(await tryReadOnly(done, 2), "stacks", "silent");
  none(await tryGone([1500], 1), "stacks", "silent");
});

test("of several writers one writes, and the others say who does", async () => {
  const figures = await tryWriters(reference, 1, 3);
  none(figures, "wrong");
  assert.ok(figures.refused > 0);
});
