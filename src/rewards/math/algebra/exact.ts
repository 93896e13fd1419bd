import { LIMITS } from "../limits.ts";
import type { Rational } from "./rational.ts";
import * as Q from "./rational.ts";

/** Functions with exact values on exact numbers. */
export function onRationals(called: string, values: readonly Rational[], whole: boolean): Rational | undefined {
  const [a, b] = values as [Rational, Rational | undefined];
  switch (called) {
    case "abs":
      return Q.abs(a);
    case "floor":
      return Q.integer(Q.floor(a));
    case "ceil":
      return Q.integer(-Q.floor(Q.negate(a)));
    case "sgn":
      return Q.integer(Q.sign(a));
    case "min":
    case "max":
      return values.reduce((x, y) => (Q.compare(x, y) < 0 === (called === "min") ? x : y));
    case "deg":
      return undefined;
  }
  if (!whole || values.some((value) => Q.bits(value.n) > 4_096)) return undefined;
  const integers = values.map((value) => value.n / value.d);
  switch (called) {
    case "gcd":
      return Q.integer(integers.reduce(Q.gcd));
    case "lcm":
      return integers.some((n) => n === 0n) ? Q.ZERO : Q.integer(integers.reduce((x, y) => abs((x / Q.gcd(x, y)) * y)));
    case "mod": {
      const [n, m] = integers as [bigint, bigint];
      return m && m > 0n ? Q.integer(((n % m) + m) % m) : undefined;
    }
    case "factorial":
      return a.n >= 0n && a.n <= LIMITS.factorial ? Q.integer(range(1n, a.n)) : undefined;
    case "double factorial":
      return a.n >= 0n && a.n <= LIMITS.factorial ? Q.integer(everySecond(a.n)) : undefined;
    case "binom": {
      if (!b || b.n < 0n || a.n < 0n || a.n > LIMITS.factorial) return undefined;
      if (a.n < b.n) return Q.ZERO;
      const k = b.n * 2n > a.n ? a.n - b.n : b.n;
      return Q.integer(range(a.n - k + 1n, a.n) / range(1n, k));
    }
  }
  return undefined;
}

/** n · (n − 2) · (n − 4) ⋯ */
function everySecond(n: bigint): bigint {
  let result = 1n;
  for (let k = n; k > 1n; k -= 2n) result *= k;
  return result;
}

const abs = (n: bigint) => (n < 0n ? -n : n);

/** from · (from + 1) ⋯ to, by halves so that the factors stay of one length. */
function range(from: bigint, to: bigint): bigint {
  if (from > to) return 1n;
  if (to - from < 8n) {
    let result = from;
    for (let k = from + 1n; k <= to; k++) result *= k;
    return result;
  }
  const middle = (from + to) / 2n;
  return range(from, middle) * range(middle + 1n, to);
}
