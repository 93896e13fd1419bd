/**
 * @file How ggml searches the scale of a group: least squares over candidates, every sum and product rounded to single
 * precision in the reference's order, so that blocks are the same byte for byte.
 */

const { fround } = Math;

/** The nearest whole number of a float32 far below 2²², the even one of two. */
export const nearest = (x: number): number => fround(x + 12582912) - 12582912;
export const clamp = (x: number, low: number, high: number): number => (x < low ? low : x > high ? high : x);

/** A group whose largest value is below this is zeros. */
export const NOTHING = fround(1e-15);

/** Codes go from 0 to `most`; candidates have `first` + i·`step` more than that over the range, for i from 0 to `steps`. */
export type Search = { most: number; first: number; step: number; steps: number };

/** How much each value of a group counts: filled before a search. */
export const weights = new Float32Array(32);
const trial = new Uint8Array(32);
/** The values of a group, what each counts, and the product of the two. */
const [group, counts, products] = [new Float32Array(32), new Float32Array(32), new Float32Array(32)];
/** What `fitAffine` found: the scale, and how far below zero the values begin. */
export const found = { scale: 0, min: 0 };

/**
 * The scale s and the offset m that keep Σ w (s q + m - x)² small over 32 values, w of `weights` and q from 0 to `most`.
 * Candidates are the rounded values of several spacings, each with its least-squares s and m.
 */
export function fitAffine(x: Float32Array, from: number, q: Uint8Array, at: number, search: Search): void {
  const { most, first, step, steps } = search;
  let [min, max, sumW, sumX] = [x[from]!, x[from]!, 0, 0];
  for (let i = 0; i < 32; i++) {
    const value = x[from + i]!;
    const w = weights[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
    sumW = i === 0 ? w : fround(sumW + w);
    sumX = i === 0 ? fround(w * value) : fround(sumX + fround(w * value));
  }
  if (min > 0) min = 0;
  if (max <= min) {
    q.fill(0, at, at + 32);
    [found.scale, found.min] = [0, -min];
    return;
  }
  let inverse = fround(most / fround(max - min));
  let scale = fround(1 / inverse);
  let best = 0;
  for (let i = 0; i < 32; i++) {
    const value = x[from + i]!;
    const l = clamp(nearest(fround(inverse * fround(value - min))), 0, most);
    q[at + i] = l;
    const off = fround(fround(fround(scale * l) + min) - value);
    best = fround(best + fround(weights[i]! * fround(off * off)));
  }
  for (let s = 0; s <= steps; s++) {
    inverse = fround(fround(fround(first + fround(step * s)) + most) / fround(max - min)); // from the best min so far
    let [sumL, sumL2, sumXL] = [0, 0, 0];
    for (let i = 0; i < 32; i++) {
      const value = x[from + i]!;
      const scaled = fround(inverse * fround(value - min));
      const l = scaled > 0 ? (scaled < most ? nearest(scaled) : most) : 0; // it is NaN where the best min is the largest value
      trial[i] = l;
      const wl = fround(weights[i]! * l);
      sumL = fround(sumL + wl);
      sumL2 = fround(sumL2 + fround(wl * l));
      sumXL = fround(sumXL + fround(wl * value));
    }
    const determinant = fround(fround(sumW * sumL2) - fround(sumL * sumL));
    if (!(determinant > 0)) continue;
    let slope = fround(fround(fround(sumW * sumXL) - fround(sumX * sumL)) / determinant);
    let offset = fround(fround(fround(sumL2 * sumX) - fround(sumL * sumXL)) / determinant);
    if (offset > 0) {
      offset = 0;
      slope = fround(sumXL / sumL2);
    }
    let error = 0;
    for (let i = 0; i < 32 && error < best; i++) {
      const off = fround(fround(fround(slope * trial[i]!) + offset) - x[from + i]!);
      error = fround(error + fround(weights[i]! * fround(off * off)));
    }
    if (error < best) {
      q.set(trial, at);
      best = error;
      scale = slope;
      min = offset;
    }
  }
  [found.scale, found.min] = [scale, -min];
}

/**
 * The scale s that keeps Σ w (s q - x)² small over `count` values, q from -`most` to `most` - 1; `q` holds q + `most`. w is
 * read of `weights` from index `weightsAt`, and is x² unless given.
 */
export function fitSymmetric(
  x: Float32Array,
  from: number,
  q: Uint8Array,
  at: number,
  { count, most }: { count: number; most: number },
  weights?: Float32Array,
  weightsAt = 0,
): number {
  let [furthest, size] = [0, 0];
  for (let i = from; i < from + count; i++) {
    const magnitude = Math.abs(x[i]!);
    if (magnitude > size) [size, furthest] = [magnitude, x[i]!];
  }
  if (size < NOTHING) {
    q.fill(0, at, at + count);
    return 0;
  }
  for (let i = 0; i < count; i++) {
    const value = x[from + i]!;
    const w = weights ? weights[weightsAt + i]! : fround(value * value);
    group[i] = value;
    counts[i] = w;
    products[i] = fround(w * value);
  }
  let [scale, best] = [0, 0];
  for (let s = -10; s <= 9; s++) {
    if (s === 0) continue;
    const first = s === -10; // the whole range, before candidates around it
    const inverse = fround((first ? -most : -fround(most + fround(fround(0.1) * s))) / furthest);
    let [sumXL, sumL2] = [0, 0];
    for (let i = 0; i < count; i++) {
      const l = clamp(nearest(fround(inverse * group[i]!)), -most, most - 1);
      trial[i] = l + most;
      sumXL = fround(sumXL + fround(products[i]! * l));
      sumL2 = fround(sumL2 + fround(fround(counts[i]! * l) * l));
    }
    if (!first && !(sumL2 > 0 && fround(sumXL * sumXL) > fround(best * sumL2))) continue;
    for (let i = 0; i < count; i++) q[at + i] = trial[i]!;
    scale = sumL2 ? fround(sumXL / sumL2) : 0;
    best = fround(scale * sumXL);
  }
  return scale;
}

/** The scale s that keeps Σ w (s q - x)² small over 8 values that are not below zero, q from 0 to 63. */
export function fitPositive(x: Float32Array, q: Uint8Array, w: Float32Array): number {
  const most = 63;
  const max = x.reduce((max, value) => Math.max(max, value), 0);
  if (max < NOTHING) {
    q.fill(0);
    return 0;
  }
  let inverse = fround(most / max);
  let best = 0;
  for (let i = 0; i < x.length; i++) q[i] = nearest(fround(inverse * x[i]!));
  const first = fround(1 / inverse);
  const squared = (i: number, scaled: number): number => {
    const off = fround(x[i]! - scaled);
    return fround(fround(w[i]! * off) * off);
  };
  for (let i = 0; i < x.length; i++) best = fround(best + squared(i, fround(first * q[i]!)));
  for (let s = -4; s <= 4; s++) {
    if (s === 0) continue;
    const candidate = fround(fround(fround(fround(0.1) * s) + most) / max);
    const scale = fround(1 / candidate);
    let error = 0;
    for (let i = 0; i < x.length; i++) {
      const l = Math.min(most, nearest(fround(candidate * x[i]!)));
      error = fround(error + squared(i, fround(scale * l)));
    }
    if (error < best) [best, inverse] = [error, candidate];
  }
  let [sumXL, sumL2] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    const l = Math.min(most, nearest(fround(inverse * x[i]!)));
    q[i] = l;
    sumXL = fround(sumXL + fround(fround(w[i]! * x[i]!) * l));
    sumL2 = fround(sumL2 + fround(fround(w[i]! * l) * l));
  }
  return improved(x, q, w, most, sumXL, sumL2);
}

/** Change single codes as long as that brings the values nearer, five rounds at most. */
function improved(x: Float32Array, q: Uint8Array, w: Float32Array, most: number, sumXL: number, sumL2: number): number {
  for (let round = 0; round < 5; round++) {
    let changed = false;
    for (let i = 0; i < x.length; i++) {
      const wx = fround(w[i]! * x[i]!);
      let xl = fround(sumXL - fround(wx * q[i]!));
      let l2 = fround(sumL2 - fround(fround(w[i]! * q[i]!) * q[i]!));
      if (!(xl > 0 && l2 > 0)) continue;
      const l = Math.min(most, nearest(fround(fround(x[i]! * l2) / xl)));
      if (l === q[i]) continue;
      xl = fround(xl + fround(wx * l));
      l2 = fround(l2 + fround(fround(w[i]! * l) * l));
      if (fround(fround(xl * xl) * sumL2) > fround(fround(sumXL * sumXL) * l2)) {
        q[i] = l;
        [sumXL, sumL2] = [xl, l2];
        changed = true;
      }
    }
    if (!changed) break;
  }
  return sumL2 > 0 ? fround(sumXL / sumL2) : 0;
}
