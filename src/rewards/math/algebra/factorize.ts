import type { Budget } from "../limits.ts";
import * as Q from "./rational.ts";

/** A positive integer as primes below 1000 with their exponents, and what trial division leaves: a root of it, or itself. */
export function factorize(n: bigint, budget: Budget): [bigint, number][] {
  const found: [bigint, number][] = [];
  let rest = n;
  if (Q.bits(n) <= 512)
    for (const p of PRIMES) {
      if (p * p > rest) break;
      let times = 0;
      while (rest % p === 0n) {
        rest /= p;
        times++;
        budget.spend(1);
      }
      if (times) found.push([p, times]);
    }
  if (rest === 1n) return found;
  for (const k of [2, 3, 5]) {
    const root = rest > 1_000_000n ? Q.exactRoot(rest, k) : undefined;
    if (root) return [...found, ...factorize(root, budget).map(([p, times]): [bigint, number] => [p, times * k])];
  }
  found.push([rest, 1]);
  return found;
}

const PRIMES: readonly bigint[] = (() => {
  const found: bigint[] = [];
  for (let n = 2; n < 1000; n++) if (found.every((p) => n % Number(p) !== 0)) found.push(BigInt(n));
  return found;
})();
