/** @file Kills at random moments of sampling from a server that misbehaves now and then, and what that cost. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { seededRandom } from "../../src/core/random.ts";
import { openJournal } from "../../src/data/journal.ts";
import { readLedger } from "../../src/data/ledger.ts";
import { type Draw, readTraces, rowsIn } from "../../src/data/traces.ts";
import { answerOf, startServer, type TestServer } from "../support/server.ts";
import { cliProcess, isSentence } from "./world.ts";

export type ServerStormFigures = {
  kills: Record<string, number>;
  requests: number;
  /** Requests that were not answered as far as the journal knows, and those that the server saw so. */
  maybe_spent: number;
  /** A (prompt, sample) that is not there, is there twice, or is not what the server answers. */
  lost: number;
  doubled: number;
  mixed: number;
  /** A complete answer that the journal has, and that was asked for again. */
  asked_again: number;
  /** Work of the server that is booked neither as spent nor as maybe spent. */
  unbooked: number;
  stacks: number;
  slowest_stop_s: number;
  notes: string[];
};

const SIGNALS = ["SIGKILL", "SIGTERM", "SIGINT"] as const;
const SAMPLES = 2;

/** At least `kills` of runs of two requests for each of `count` prompts. */
export async function serverStorm(kills: number, count = 250, seed = 1): Promise<ServerStormFigures> {
  const figures: ServerStormFigures = {
    ...{ kills: {}, requests: 0, maybe_spent: 0, lost: 0, doubled: 0, mixed: 0, asked_again: 0, unbooked: 0 },
    ...{ stacks: 0, slowest_stop_s: 0, notes: [] },
  };
  const random = seededRandom(seed);
  for (let left = kills; left > 0; ) {
    const server = await startServer({
      // some fail, some wait, and all take a while
      manners: ({ number }) =>
        number % 41 === 7
          ? { status: 500 }
          : number % 53 === 9
            ? { status: 429 }
            : number % 67 === 11
              ? { end: "cut" }
              : { wait: 20 + (number % 5) * 25 },
    });
    const folder = mkdtempSync(join(tmpdir(), "faults-"));
    const recipe = writeRecipe(folder, server.url, count);
    for (let ended = false; !ended; ) {
      const kill = left > 0;
      const signal = SIGNALS[left % SIGNALS.length]!;
      let sent: number | undefined;
      const { code, said } = await cliProcess(["sample", recipe], {
        during: async (send, spoken) => {
          if (!kill) return;
          const wait = random.uniform() * 500;
          await spoken;
          await sleep(wait);
          sent = performance.now();
          send(signal);
        },
      });
      if (/^\s+at /m.test(said) || (code === 1 && !isSentence(said))) {
        figures.stacks++;
        figures.notes.push(said);
      }
      if (code === 0) {
        ended = true;
        continue;
      }
      if (sent === undefined) {
        figures.notes.push(said);
        figures.lost++;
        break;
      }
      if (signal !== "SIGKILL")
        figures.slowest_stop_s = Math.max(figures.slowest_stop_s, (performance.now() - sent) / 1000);
      figures.kills[signal] = (figures.kills[signal] ?? 0) + 1;
      left--;
    }
    await compare(join(folder, "run"), server, count * SAMPLES, figures);
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return figures;
}

function writeRecipe(folder: string, url: string, count: number): string {
  const prompts = Array.from({ length: count }, (_, i) => ({
    id: `p${i}`,
    prompt: `${i} and ${i + 1}`,
    answer: `${2 * i + 1}`,
  }));
  writeFileSync(join(folder, "prompts.jsonl"), prompts.map((one) => `${JSON.stringify(one)}\n`).join(""));
  const path = join(folder, "recipe.yaml");
  writeFileSync(
    path,
    stringify({
      name: "storm",
      output: join(folder, "run"),
      student: { path: resolve("data/models/stories-base") },
      teacher: { type: "openai", base_url: `${url}/v1`, max_concurrency: 16, probe: false },
      sampling: { prompts: { path: "prompts.jsonl" }, num_generations: SAMPLES, max_completion_length: 64 },
      rewards: [{ type: "accuracy" }],
    }),
  );
  return path;
}

/** Hold what the run has against what the server did. */
async function compare(
  output: string,
  { counts, asked }: TestServer,
  wanted: number,
  figures: ServerStormFigures,
): Promise<void> {
  const traces = [...readTraces(join(output, "traces"))];
  const names = new Set(traces.map(({ prompt_id, sample }) => `${prompt_id} ${sample}`));
  figures.lost += wanted - names.size;
  figures.doubled += traces.length - names.size;
  figures.mixed += traces.filter(({ prompt, seed, completion }) => completion !== answerOf(prompt, seed)).length;
  const [key] = readdirSync(join(output, "samples"));
  const drawn = new Set<string>();
  for (const { table } of readLedger(join(output, "samples", key!), key))
    for (const { prompt_id, sample } of rowsIn<Draw>(table)) {
      if (drawn.has(`${prompt_id} ${sample}`)) figures.doubled++;
      drawn.add(`${prompt_id} ${sample}`);
    }
  const complete = new Set<string>();
  for (const { table } of readLedger(join(output, "journal", key!), key)) {
    const [ids, events] = [table.getChild("id")!, table.getChild("event")!];
    for (let i = 0; i < table.numRows; i++) {
      if (complete.has(ids.get(i))) figures.asked_again++;
      if (events.get(i) === "complete") complete.add(ids.get(i));
    }
  }
  const journal = openJournal({ folder: join(output, "journal", key!), key: key! });
  const { requests, maybe } = journal.spent();
  await journal.close();
  figures.requests += requests;
  figures.maybe_spent += maybe.requests;
  // what was refused cost nothing; a request that was written down and never left is booked all the same
  const free = asked.filter(({ number }) => number % 53 === 9 && number % 41 !== 7).length;
  figures.unbooked += Math.max(0, counts.posts - free - requests - maybe.requests);
}
