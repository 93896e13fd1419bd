/** @file Several processes that want to write one folder at once. */

import { cli, cliProcess, faultless, figuresOf, isSentence, makeWorld, type Reference, removeWorld } from "./world.ts";

export type WriterFigures = {
  rounds: number;
  writers: number;
  refused: number;
  ended: number;
  wrong: number;
  notes: string[];
};

/** `writers` at once, `rounds` times; one of them writes, the others say who does. */
export async function tryWriters(reference: Reference, rounds: number, writers: number): Promise<WriterFigures> {
  const figures: WriterFigures = { rounds, writers: 0, refused: 0, ended: 0, wrong: 0, notes: [] };
  for (let round = 0; round < rounds; round++) {
    const world = makeWorld();
    const all = await Promise.all(Array.from({ length: writers }, () => cliProcess(["sample", world.recipe])));
    figures.writers += all.length;
    for (const { code, said } of all) {
      if (code === 0) figures.ended++;
      else if (/is being written by distill sample \(process \d+/.test(said) && isSentence(said)) figures.refused++;
      else {
        figures.wrong++;
        figures.notes.push(said.slice(-300));
      }
    }
    const { code } = await cli(["sample", world.recipe]);
    const found = figuresOf(world, reference, ["sample"]);
    if (code !== 0 || !faultless(found)) {
      figures.wrong++;
      figures.notes.push(JSON.stringify(found));
    }
    removeWorld(world);
  }
  return figures;
}
