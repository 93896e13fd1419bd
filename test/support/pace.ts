/**
 * @file Limits on work in seconds. They were set on one machine; on a slower or busier one the same work may take as much
 * longer as a known piece of work does there.
 */

/** Seconds of processor time that the known piece of work takes on the machine on which limits are set, an EPYC of 2024. */
const KNOWN = 0.05;

/** Seconds of processor time that `work` takes, other threads of this process with it. */
export function costOf(work: () => unknown): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

/** How many times as long as on that machine work takes here and now; at least 1. */
export function pace(): number {
  knownWork(); // once for the compiler
  return Math.max(1, ...[1, 2, 3].map(() => costOf(knownWork) / KNOWN));
}

/** Why work that took `used` seconds has taken too long, where it has. The pace is measured only if that is in question. */
export function tooLong(used: number, limit: number): string | undefined {
  if (used <= limit) return undefined;
  const allowed = limit * pace();
  return used <= allowed ? undefined : `took ${used.toFixed(3)} s; ${allowed.toFixed(3)} s are allowed here`;
}

/** Some of everything that is limited: objects, maps, texts, patterns, numbers. */
function knownWork(): number {
  const counts = new Map<string, { count: number; length: number }>();
  for (let i = 0; i < 180_000; i++) {
    const text = `${i % 977} turns of ${(i * i) % 10_007} steps`;
    const [, turns, steps] = /^(\d+) turns of (\d+)/.exec(text)!;
    const key = text.slice(0, 9).toUpperCase();
    const { count, length } = counts.get(key) ?? { count: 0, length: 0 };
    counts.set(key, { count: count + Number(turns) * Number(steps), length: length + text.length });
  }
  return [...counts.values()].sort((a, b) => a.count - b.count).reduce((sum, { length }) => sum + length, 0);
}
