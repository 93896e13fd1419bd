/** @file Telling trackers what a run does, from what the run keeps itself: offline first, and nothing of theirs ends a run. */

import { setTimeout as sleep } from "node:timers/promises";
import { writeWhole } from "../core/files.ts";
import { encodeState, readState } from "../store/state.ts";
import type { Told, Tracker } from "./tracker.ts";

export type Followed = {
  name: string;
  tracker: Tracker;
  /** Where it remembers what it has told. */
  memory: string;
};

export type Following = {
  /** Tell the rest, for as long as some of it comes through every few seconds. */
  end(ending: NonNullable<Told["ending"]>): Promise<void>;
};

const INTERVAL = 5000; // ms from one look to the next
const SLOWEST = 60_000; // ms between tries at what does not answer
const PATIENCE = 20_000; // ms at the end without anything that comes through

/** Follow a run until it ends. `told` says what there is to tell now; `say` hears a sentence now and then. */
export function follow(
  trackers: readonly Followed[],
  told: () => Told,
  { say = console.error, interval = INTERVAL, patience = PATIENCE } = {},
): Following {
  const stop = new AbortController();
  const all = trackers.map((followed) => followOne(followed, told, { say, interval, stop: stop.signal }));
  return {
    async end(ending) {
      stop.abort();
      await Promise.all(all.map(({ finish }) => finish(ending, patience)));
    },
  };
}

function followOne(
  { name, tracker, memory }: Followed,
  told: () => Told,
  { say, interval, stop }: { say: (sentence: string) => void; interval: number; stop: AbortSignal },
) {
  let state: unknown = readState(memory)?.state;
  let down = false;
  let reason = "";
  let progressed = () => {};
  const remember = (next: object) => {
    state = next;
    progressed();
    writeWhole(memory, encodeState(next));
  };
  /** Whether it could be told. The first failure is said, and the first time that it works again. */
  const tell = async (ending: Told["ending"], signal: AbortSignal): Promise<boolean> => {
    try {
      remember(await tracker.tell({ ...told(), ...(ending ? { ending } : {}) }, state, remember, signal));
      if (down) say(`${name} at ${tracker.place} is back, and has what it missed.`);
      down = false;
      return true;
    } catch (error) {
      reason = reasonOf(error);
      if (!down)
        say(
          `${name} at ${tracker.place} cannot be told: ${reason}. The run goes on; what it misses is kept, and told later.`,
        );
      down = true;
      return false;
    }
  };
  const cycle = (async () => {
    for (let wait = interval; !stop.aborted; ) {
      wait = (await tell(undefined, new AbortController().signal)) ? interval : Math.min(SLOWEST, 2 * wait);
      await sleep(wait, undefined, { signal: stop, ref: false }).catch(() => {});
    }
  })();
  return {
    async finish(ending: NonNullable<Told["ending"]>, patience: number): Promise<void> {
      await cycle; // what is under way is not cut: nobody would know whether it came
      const cut = new AbortController();
      let timer: NodeJS.Timeout | undefined;
      progressed = () => {
        clearTimeout(timer);
        timer = setTimeout(() => cut.abort(new Error("it takes too long")), patience);
      };
      progressed();
      const done = await tell(ending, cut.signal);
      clearTimeout(timer);
      if (!done)
        say(`${name} at ${tracker.place} does not have all of the run: ${reason}. The same command tells it the rest.`);
    },
  };
}

/** Why a request failed: fetch itself says only that it did. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  return (cause?.code ?? cause?.message ?? message).replace(/\.$/, "");
}
