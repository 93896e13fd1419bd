/** @file Exact fractions of big integers. */

import { Beyond, LIMITS } from "../limits.ts";

/** n / d with d > 0; in lowest terms unless both are very long. */
export type Rational = { readonly n: bigint; readonly d: bigint };

export const ZERO: Rational = { n: 0n, d: 1n };
export const ONE: Rational = { n: 1n, d: 1n };

export const integer = (n: number | bigint): Rational => ({ n: BigInt(n), d: 1n });

/** Length in bits, to the next multiple of four. */
export const bits = (n: bigint): number => (n < 0x1_0000_0000n && n > -0x1_0000_0000n ? 32 : n.toString(16).length * 4);

export const gcd = (a: bigint, b: bigint): bigint => {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y) [x, y] = [y, x % y];
  return x;
};

/** A fraction in lowest terms; throws `Beyond` where it is too long, and RangeError for d = 0. */
export function ratio(n: bigint, d: bigint): Rational {
  if (d === 0n) throw new RangeError("division by zero");
  if (d === 1n) return checked(n, d);
  if (d < 0n) return ratio(-n, -d);
  // Euclid's algorithm is quadratic: worth it only where one side is short.
  if (Math.min(bits(n), bits(d)) > 2_048) return checked(n, d);
  const divisor = gcd(n, d);
  return checked(n / divisor, d / divisor);
}

function checked(n: bigint, d: bigint): Rational {
  if (bits(n) > LIMITS.bits || bits(d) > LIMITS.bits) throw new Beyond("a number is too long");
  return { n, d };
}

export const add = (a: Rational, b: Rational) =>
  a.d === b.d ? ratio(a.n + b.n, a.d) : ratio(a.n * b.d + b.n * a.d, a.d * b.d);
export const negate = (a: Rational): Rational => ({ n: -a.n, d: a.d });
export const subtract = (a: Rational, b: Rational) => add(a, negate(b));
export const multiply = (a: Rational, b: Rational) => ratio(a.n * b.n, a.d * b.d);
export const divide = (a: Rational, b: Rational) => ratio(a.n * b.d, a.d * b.n);
export const equals = (a: Rational, b: Rational) => a.n * b.d === b.n * a.d;
export const sign = (a: Rational) => (a.n > 0n ? 1 : a.n < 0n ? -1 : 0);
export const compare = (a: Rational, b: Rational) => {
  const difference = a.n * b.d - b.n * a.d;
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
};
export const isInteger = (a: Rational) => a.d === 1n || a.n % a.d === 0n;
export const abs = (a: Rational): Rational => (a.n < 0n ? negate(a) : a);
export const floor = (a: Rational): bigint => {
  const quotient = a.n / a.d;
  return a.n < 0n && quotient * a.d !== a.n ? quotient - 1n : quotient;
};

/** a^k for a whole k; throws `Beyond` before it computes what would be too long. */
export function power(a: Rational, k: number): Rational {
  if (k < 0) return power(divide(ONE, a), -k);
  if (a.d === 1n && (a.n === 0n || a.n === 1n)) return k === 0 ? ONE : a;
  if (a.d === 1n && a.n === -1n) return k % 2 === 0 ? ONE : a;
  const length = (n: bigint) => abs(integer(n)).n.toString(2).length - 1;
  if (k > LIMITS.bits || Math.max(length(a.n), length(a.d)) * k > LIMITS.bits) throw new Beyond("a power is too long");
  return { n: a.n ** BigInt(k), d: a.d ** BigInt(k) };
}

/** The nearest double, also where numerator and denominator overflow one. */
export function toNumber({ n, d }: Rational): number {
  const direct = Number(n) / Number(d);
  if (Number.isFinite(direct) && (direct !== 0 || n === 0n) && bits(n) < 1000 && bits(d) < 1000) return direct;
  const shift = BigInt(bits(d) - bits(n) + 64);
  const scaled = shift >= 0n ? (n << shift) / d : n / (d << -shift);
  return Number(scaled) * 2 ** -Number(shift);
}

/** The whole r with r^k = n, if there is one. n ≥ 0. */
export function exactRoot(n: bigint, k: number): bigint | undefined {
  if (n < 2n) return n;
  if (k >= bits(n)) return undefined;
  const [K, K1] = [BigInt(k), BigInt(k - 1)];
  let root = 1n << BigInt(Math.ceil(bits(n) / k) + 1);
  // Newton's iteration falls monotonically to ⌊n^(1/k)⌋.
  for (;;) {
    const next = (K1 * root + n / root ** K1) / K;
    if (next >= root) break;
    root = next;
  }
  return root ** K === n ? root : undefined;
}

export const format = ({ n, d }: Rational): string => (d === 1n ? `${n}` : `${n}/${d}`);
