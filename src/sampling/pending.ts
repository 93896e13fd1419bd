/** @file Traces between the teacher and the disk. */

import type { Draw, Verdicts } from "../data/traces.ts";
import type { TraceLedger } from "./ledger.ts";

/** Traces, and ms, after which what was drawn goes to the disk. */
const BATCH = 64;
const WAIT = 1000;

/** Traces on their way to the disk: draws go there at once or soon, and never wait for a rule. */
export function pendingTraces(ledger: TraceLedger) {
  let draws: Draw[] = [];
  const judged: Omit<Verdicts, "row">[] = [];
  const rows: number[] = []; // numbers of draws that are kept and have no verdict yet
  let timer: NodeJS.Timeout | undefined;
  let broken: unknown;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (broken) return;
    try {
      if (draws.length > 0) {
        const first = ledger.draw(draws);
        rows.push(...draws.map((_, i) => first + i));
        draws = [];
      }
      const verdicts = judged.splice(0, rows.length).map((verdict) => ({ row: rows.shift()!, ...verdict }));
      if (verdicts.length > 0) ledger.judge(verdicts);
    } catch (error) {
      broken = error;
    }
  };
  process.on("exit", flush); // whoever ends the process
  const rethrow = () => {
    if (broken) throw broken;
  };
  return {
    draw(draw: Draw) {
      rethrow();
      draws.push(draw);
      if (draws.length >= BATCH) flush();
      else timer ??= setTimeout(flush, WAIT);
      rethrow();
    },
    judge(verdict: Omit<Verdicts, "row">) {
      judged.push(verdict);
    },
    end() {
      process.off("exit", flush);
      flush();
      rethrow();
    },
  };
}
