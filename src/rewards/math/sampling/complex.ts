/** @file Complex numbers with a bound of their rounding error. */

/** A complex number whose true value lies within `error` of it. */
export type Value = { re: number; im: number; error: number };

/** Notes of how a value came about. */
export type Trail = {
  /** Set once a root or logarithm of a negative number was taken. */
  complex: boolean;
};

export const EPSILON = 2 ** -52;

export const UNDEFINED: Value = { re: Number.NaN, im: 0, error: 0 };

export const real = (re: number, error = Math.abs(re) * EPSILON): Value => ({ re, im: 0, error });
export const size = ({ re, im }: Value) => Math.hypot(re, im);
const rounded = (re: number, im: number, error: number): Value => ({
  re,
  im,
  error: error + 2 * EPSILON * Math.hypot(re, im),
});

/** What underflows is lost, not zero. */
export const present = (value: Value, exact: boolean): Value =>
  exact || Math.abs(value.re) > 1e-280 || Math.abs(value.im) > 1e-280 ? value : UNDEFINED;
const isZero = (a: Value) => a.re === 0 && a.im === 0;

/** Whole numbers are added and multiplied exactly as long as doubles hold them. */
const isWhole = ({ re, im, error }: Value) => error === 0 && im === 0 && Number.isSafeInteger(re);
const whole = (re: number): Value => ({ re, im: 0, error: 0 });

export const plus = (a: Value, b: Value): Value =>
  isWhole(a) && isWhole(b) && Number.isSafeInteger(a.re + b.re)
    ? whole(a.re + b.re)
    : rounded(a.re + b.re, a.im + b.im, a.error + b.error);
const minus = (a: Value, b: Value) => rounded(a.re - b.re, a.im - b.im, a.error + b.error);
export function times(a: Value, b: Value): Value {
  if (isWhole(a) && isWhole(b) && Number.isSafeInteger(a.re * b.re)) return whole(a.re * b.re);
  const product = rounded(
    a.re * b.re - a.im * b.im,
    a.re * b.im + a.im * b.re,
    size(a) * b.error + size(b) * a.error + a.error * b.error,
  );
  return present(product, isZero(a) || isZero(b));
}

export function over(a: Value, b: Value): Value {
  if (isWhole(a) && isWhole(b) && b.re !== 0 && a.re % b.re === 0) return whole(a.re / b.re);
  const square = b.re * b.re + b.im * b.im;
  const distance = Math.sqrt(square);
  // A divisor that may be zero has no quotient.
  if (!(distance > 4 * b.error)) return UNDEFINED;
  const value = rounded(
    (a.re * b.re + a.im * b.im) / square,
    (a.im * b.re - a.re * b.im) / square,
    (a.error + (size(a) / distance) * b.error) / (distance - b.error),
  );
  return present(value, isZero(a));
}

export function power(a: Value, b: Value, trail: Trail): Value {
  const distance = size(a);
  if (b.im === 0 && Number.isInteger(b.re) && Math.abs(b.re) <= 64) {
    let result: Value = { re: 1, im: 0, error: 0 };
    for (let k = 0; k < Math.abs(b.re); k++) result = times(result, a);
    return b.re < 0 ? over({ re: 1, im: 0, error: 0 }, result) : result;
  }
  if (a.im === 0 && a.re < 0 && b.im === 0 && b.error === 0 && Number.isInteger(b.re)) {
    // (−a)^n = ±a^n
    const positive = power({ ...a, re: -a.re }, b, trail);
    return b.re % 2 === 0 ? positive : { ...positive, re: -positive.re };
  }
  if (a.re === 1 && a.error === 0 && a.im === 0 && b.im === 0) return whole(1);
  if (distance <= 4 * a.error) return distance === 0 && b.re > 0 ? { re: 0, im: 0, error: a.error } : UNDEFINED;
  if (a.im === 0 && a.re > 0 && b.im === 0) {
    const value = a.re ** b.re;
    return present(
      rounded(value, 0, Math.abs(value) * (Math.abs(b.re) * (a.error / a.re) + Math.abs(Math.log(a.re)) * b.error)),
      false,
    );
  }
  if (a.im === 0) trail.complex = true;
  return exponential(times(b, logarithm(a)));
}

export function logarithm(a: Value): Value {
  const distance = size(a);
  return rounded(Math.log(distance), argument(a), a.error / distance + EPSILON);
}

/** In (−π, π]; a tiny imaginary part is rounding. */
const argument = (a: Value) => Math.atan2(Math.abs(a.im) <= a.error ? 0 : a.im, a.re);

export function exponential(a: Value): Value {
  const scale = Math.exp(a.re);
  return present(
    rounded(scale * Math.cos(a.im), scale * Math.sin(a.im), scale * (a.error + EPSILON * (1 + size(a)))),
    false,
  );
}

/** Whether two values are the same within their errors; undefined where that cannot be told. */
export function agree(a: Value, b: Value): boolean | undefined {
  const magnitude = Math.max(size(a), size(b));
  const error = a.error + b.error;
  if (!Number.isFinite(magnitude) || !Number.isFinite(error)) return undefined;
  const apart = size(minus(a, b));
  if (apart > 8 * error + Number.MIN_VALUE) return apart > 64 * error ? false : undefined;
  // Values whose error is large beside them agree with anything.
  return error <= 1e-7 * magnitude || (magnitude <= 8 * error && error < 1e-11) ? true : undefined;
}
