/** @file Which sample of which prompt is drawn next: what is wanted of it, as far as more of it is likely to help. */

import type { Prompt } from "../core/trace.ts";
import { countedSamples, type Drawn, type Wanted } from "./drawn.ts";
import { isHopeless } from "./give-up.ts";

export type Next = { prompt: Prompt; sample: number };

export type Schedule = {
  /** How many may be drawn now. */
  readonly ready: number;
  /** The next one; undefined where there is none before others are judged. */
  next(): Next | undefined;
  /** Put one back that could not be asked. */
  back(one: Next): void;
  /** A sample of a prompt was judged, and is in `drawn`. */
  judged(prompt: Prompt): void;
  /** Begin with all that may be drawn now. */
  refill(): void;
};

/**
 * Samples in their order. Where each hangs on those before it, a prompt's next sample is drawn once its last one is
 * judged; in `rounds` all prompts are, the most uncertain first, so that the same answers lead to the same requests however
 * fast they come.
 */
export function openSchedule(
  prompts: readonly Prompt[],
  drawn: Drawn,
  wanted: Omit<Wanted, "prompts">,
  { rounds }: { rounds: boolean },
): Schedule {
  const { num_generations, max_accepted, give_up } = wanted;
  const adaptive = Number.isFinite(max_accepted) || give_up !== undefined;
  let queue: Next[] = [];
  let at = 0;

  /** The samples of a prompt that may be drawn now. */
  function* open(prompt: Prompt): Generator<Next> {
    const there = drawn.get(prompt.id);
    let [accepted, seen] = [0, 0];
    for (let sample = 0; sample < num_generations; sample++) {
      if (accepted >= max_accepted || isHopeless(give_up, accepted, seen)) return;
      const known = there?.get(sample);
      if (known === undefined) {
        yield { prompt, sample };
        if (adaptive) return;
      } else {
        seen++;
        if (known) accepted++;
      }
    }
  }

  /** p(1 − p), of the pass rate as far as it is known: the closer to a half, the more another sample tells. */
  const uncertainty = ({ id }: Prompt) => {
    const { counted, accepted } = countedSamples(drawn.get(id), wanted);
    const rate = (accepted + 1) / (counted.size + 2);
    return rate * (1 - rate);
  };

  return {
    get ready() {
      return queue.length - at;
    },
    next: () => (at < queue.length ? queue[at++] : undefined),
    back(one) {
      queue[--at] = one;
    },
    judged(prompt) {
      if (adaptive && !rounds) queue.push(...open(prompt));
    },
    refill() {
      queue = prompts.flatMap((prompt) => [...open(prompt)]);
      at = 0;
      if (!adaptive || !rounds) return;
      const scores = new Map(queue.map(({ prompt }) => [prompt.id, uncertainty(prompt)]));
      queue.sort((a, b) => scores.get(b.prompt.id)! - scores.get(a.prompt.id)!);
    },
  };
}
