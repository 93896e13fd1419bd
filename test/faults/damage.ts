/** @file Every file of a finished run, deleted, cut and with bits flipped: noticed and mended, or refused, or never read. */

import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  cli,
  copyWorld,
  faultless,
  figuresOf,
  inLanes,
  isSentence,
  type Reference,
  removeWorld,
  VERBS,
  type Verb,
  type World,
} from "./world.ts";

export type DamageFigures = {
  files: number;
  harms: number;
  /** Said in words, and made again. */
  mended: number;
  /** Said in words, and stopped. */
  refused: number;
  /** Nothing was said, and nothing of it was in the result. */
  harmless: number;
  /** Nothing was said, and the result is another one. */
  unnoticed: number;
  stacks: number;
  notes: string[];
};

/**
 * The verb that reads a file, and what is made of it: with that gone, it is read again. Nothing but the run itself reads
 * what it keeps for itself.
 */
const READ_BY: [RegExp, Verb, string[]][] = [
  [/^(samples|verdicts)\//, "sample", ["traces"]],
  [/^traces\//, "sample", ["dataset"]],
  [/^dataset\//, "train", ["student", "checkpoints", ".distill/tokenized"]],
  [/^\.distill\/tokenized\//, "train", ["student", "checkpoints"]],
  [/^(checkpoints\/|metrics)/, "train", ["student"]],
  [/^student\//, "export", ["export"]],
  [/^(export|evaluation)\//, "eval", ["evaluation"]],
];

type Harm = { file: string; what: string; damage: (path: string) => void };

/** Try harms on copies of a finished run. Each is read again at once, and once more with what is made of it gone. */
export async function tryDamage(
  world: World,
  reference: Reference,
  { lanes, most = Number.POSITIVE_INFINITY }: { lanes: number; most?: number },
): Promise<DamageFigures> {
  const files = (readdirSync(world.output, { recursive: true, withFileTypes: true }) ?? [])
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(world.output.length + 1))
    .sort();
  // the evaluation has draws of its own beside those that are trained on
  const drawn = Object.keys(
    JSON.parse(readFileSync(join(world.output, "manifest.json"), "utf8")).stages.sample.outputs as object,
  );
  const ofEvaluation = (file: string) => file.startsWith("samples/") && !drawn.some((name) => file.startsWith(name));
  const figures: DamageFigures = {
    files: files.length,
    harms: 0,
    mended: 0,
    refused: 0,
    harmless: 0,
    unnoticed: 0,
    stacks: 0,
    notes: [],
  };
  const harms = files.flatMap((file): Harm[] => {
    const size = readFileSync(join(world.output, file)).length;
    const flip = (at: number) => (path: string) => {
      const bytes = readFileSync(path);
      bytes[at]! ^= 1 << (at % 8);
      writeFileSync(path, bytes);
    };
    const places = [...new Set([0, size >> 1, size - 1])].filter((at) => at >= 0 && at < size);
    return [
      { file, what: "deleted", damage: (path) => rmSync(path) },
      ...places.map((at) => ({ file, what: `cut at ${at}`, damage: (path: string) => truncateSync(path, at) })),
      ...places.map((at) => ({ file, what: `bit ${at % 8} of byte ${at} flipped`, damage: flip(at) })),
    ];
  });
  const chosen = harms.filter((_, i) => i % Math.max(1, Math.ceil(harms.length / most)) === 0);
  await inLanes(chosen, lanes, async ({ file, what, damage }) => {
    const copy = copyWorld(world, world.output);
    figures.harms++;
    damage(join(copy.output, file));
    // with what is made of it gone, it is read
    const [, reader = "eval", gone = []] = (ofEvaluation(file)
      ? undefined
      : READ_BY.find(([pattern]) => pattern.test(file))) ?? [
      undefined,
      "eval" as const,
      ofEvaluation(file) ? ["evaluation"] : [],
    ];
    for (const name of gone)
      if (!file.startsWith(`${name}/`) && file !== name)
        rmSync(join(copy.output, name), { recursive: true, force: true });
    const { code, said } = await cli([reader, copy.recipe]);
    if (!isSentence(said)) {
      figures.stacks++;
      figures.notes.push(`${file}, ${what}: ${said.slice(-500)}`);
    }
    const top = file
      .split("/")
      .slice(0, file.startsWith("samples/") || file.startsWith("verdicts/") ? 1 : 2)
      .join("/");
    const told = [file, top, "damaged", "is missing", "not what was", "set-aside", "was not written by this run"].some(
      (words) => said.includes(words),
    );
    if (code !== 0) {
      if (told) figures.refused++;
      else {
        figures.unnoticed++;
        figures.notes.push(`${file}, ${what}: refused without a reason: ${said.slice(-300)}`);
      }
    } else {
      const found = figuresOf(copy, reference, VERBS.slice(0, VERBS.indexOf(reader) + 1));
      if (!faultless(found)) {
        figures.unnoticed++;
        figures.notes.push(`${file}, ${what}: ${JSON.stringify(found)} ${said.slice(-200)}`);
      } else if (told) figures.mended++;
      else figures.harmless++;
    }
    removeWorld(copy);
  });
  return figures;
}
