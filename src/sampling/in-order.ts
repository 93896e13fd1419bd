/** @file Work that is under way at once and told of in its order. */

/** `told` gets what comes of each piece of work, in the order in which they were added. */
export function inOrder<Result>(told: (result: Result, index: number) => void) {
  const open: { done: Promise<void>; ended: boolean; result?: Result; error?: unknown }[] = [];
  let index = 0;
  const tell = () => {
    while (open[0]?.ended) {
      const first = open.shift()!;
      if ("error" in first) throw first.error;
      told(first.result!, index++);
    }
  };
  return {
    /** How much is under way. */
    get open() {
      return open.length;
    },
    add(work: Promise<Result>) {
      const entry: (typeof open)[number] = { done: Promise.resolve(), ended: false };
      entry.done = work.then(
        (result) => void Object.assign(entry, { ended: true, result }),
        (error) => void Object.assign(entry, { ended: true, error }),
      );
      open.push(entry);
    },
    /** Tell of what has ended, and wait until no more than so much is under way. */
    async until(most: number) {
      for (tell(); open.length > most; tell()) await open[0]!.done;
    },
    /** Tell of what has ended. */
    tell,
  };
}
