/** @file Loads mutations one after another, and says of each what it is before it starts. Run by run.ts. */

import { mkdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DistillError } from "../../../src/core/errors.ts";
import { deriveSeed, seededRandom } from "../../../src/core/random.ts";
import { tooLong } from "../pace.ts";
import type { Target } from "./target.ts";

const [name, folder, ...numbers] = process.argv.slice(2) as [string, string, ...string[]];
const [from, to, mostSeconds, mostMegabytes] = numbers.map(Number) as [number, number, number, number];
const { target } = (await import(pathToFileURL(join(import.meta.dirname, `${name}.js`)).href)) as { target: Target };
const say = (event: string, ...rest: unknown[]) => writeSync(1, `${JSON.stringify([event, ...rest])}\n`);
const megabytes = () => process.resourceUsage().maxRSS / 1024;

const mutate = await target(join(folder, "originals"));
let high = mostMegabytes;
for (let i = from; i < to; i++) {
  const path = join(folder, `${i}`);
  mkdirSync(path);
  const { what, load } = mutate(seededRandom(deriveSeed(name, i)), path);
  say("start", i, what);
  const before = process.cpuUsage();
  try {
    await load();
    say("valid");
  } catch (error) {
    if (error instanceof DistillError) say("refused", error.message);
    else say("failed", String(error instanceof Error ? error.stack : error).slice(0, 600));
  }
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  rmSync(path, { recursive: true });
  const why = tooLong(seconds, mostSeconds);
  if (why) say("failed", why);
  if (megabytes() > high) {
    high = Number.POSITIVE_INFINITY; // what comes after cannot be told from it
    say("failed", `took the process to ${Math.round(megabytes())} MB`);
  }
}
say("end", Math.round(megabytes()));
