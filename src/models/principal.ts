/** @file The parts of a matrix that adapters begin with, in double precision: its principal part, and its leading columns'. */

import { seededRandom } from "../core/random.ts";
import { symmetricEigen } from "./symmetric-eigen.ts";

type Sizes = { out: number; in: number };

/** Vectors beside the wanted ones in a block, which let the iteration converge where singular values are close. */
const OVERSAMPLING = 8;
/** The sine of the angle between what is found and what is sought, at most. */
const ACCURACY = 1e-8;

/**
 * The best approximation of W, [out, in], that has rank r: U S V' of its r largest singular values. V spans what block Krylov
 * iteration with W'W (or U with WW', where that is smaller) finds; the space grows until the residual over the gap to the
 * next singular value is small, at the latest to the whole space, in which there is no error.
 */
export function principalPart(weight: Float32Array, sizes: Sizes, r: number): Float64Array {
  const w = Float64Array.from(weight);
  const tall = sizes.out >= sizes.in;
  const n = Math.min(sizes.in, sizes.out);
  // x [n] → y [m], and back
  const [there, back] = tall ? [times, timesTransposed] : [timesTransposed, times];
  const apply = (x: Float64Array) => there(w, sizes, x);
  const leading: Float64Array[] = leadingVectors(n, Math.min(r, n), apply, (y) => back(w, sizes, y));
  const part = new Float64Array(w.length);
  for (const v of leading) addOuter(part, sizes, ...(tall ? ([apply(v), v] as const) : ([v, apply(v)] as const)), 1);
  return part;
}

function leadingVectors(n: number, r: number, apply: Operator, applyTransposed: Operator): Float64Array[] {
  const width = r + OVERSAMPLING;
  const random = seededRandom(1);
  const fresh = () => Float64Array.from({ length: n }, () => random.normal());
  const [basis, images]: [Float64Array[], Float64Array[]] = [[], []];
  const gram: number[][] = []; // of images, its lower half
  let candidates: Float64Array[] = Array.from({ length: width }, fresh);
  let checked = 3 * width; // vectors at which convergence is looked at next
  for (;;) {
    const before = basis.length;
    for (const candidate of candidates) {
      if (basis.length === n) break;
      // what the space already holds brings nothing new
      let x = candidate;
      while (!orthonormalise(x, basis)) x = fresh();
      basis.push(x);
    }
    for (const x of basis.slice(before)) {
      const image = apply(x);
      images.push(image);
      gram.push(images.map((other) => dot(other, image)));
    }
    const whole = basis.length === n;
    if (whole || basis.length >= checked) {
      const ritz = rotated(basis, images, gram, r, applyTransposed, whole);
      if (ritz) return ritz;
      checked = Math.ceil(1.4 * basis.length);
    }
    candidates = images.slice(before).map(applyTransposed);
  }
}

type Operator = (x: Float64Array) => Float64Array;

/** The r leading Ritz vectors, if they are accurate. */
function rotated(
  basis: readonly Float64Array[],
  images: readonly Float64Array[],
  gram: readonly number[][],
  r: number,
  applyTransposed: Operator,
  whole: boolean,
): Float64Array[] | undefined {
  const k = basis.length;
  const square = new Float64Array(k * k);
  for (const [i, row] of gram.entries())
    for (const [j, value] of row.entries()) {
      square[i * k + j] = value;
      square[j * k + i] = value;
    }
  const { values, vectors } = symmetricEigen(square, k);
  const combined = (of: readonly Float64Array[], i: number) => {
    const sum = new Float64Array(of[0]!.length);
    for (const [j, x] of of.entries()) axpy(sum, vectors[i * k + j]!, x);
    return sum;
  };
  const found = Array.from({ length: r }, (_, i) => combined(basis, i));
  if (whole) return found;
  // ‖G V - V Θ‖ over the gap bounds the angle
  let residual = 0;
  for (const [i, v] of found.entries()) {
    const image = applyTransposed(combined(images, i));
    axpy(image, -values[i]!, v);
    residual += dot(image, image);
  }
  return Math.sqrt(residual) <= ACCURACY * (values[r - 1]! - values[r]!) ? found : undefined;
}

/** Make x of length 1 and orthogonal to the basis; whether anything was left of it. */
function orthonormalise(x: Float64Array, basis: readonly Float64Array[]): boolean {
  const length = Math.sqrt(dot(x, x));
  if (!(length > 0)) return false;
  let left = length;
  for (let twice = 0; twice < 2; twice++) {
    for (const q of basis) axpy(x, -dot(q, x), q);
    left = Math.sqrt(dot(x, x));
    if (left <= 1e-10 * length) return false;
  }
  for (let i = 0; i < x.length; i++) x[i] = x[i]! / left;
  return true;
}

/**
 * The part of W, [out, in], in the space of its first r columns, Q_r R_r of its decomposition W = Q R by Householder's
 * reflections, as LAPACK makes it.
 */
export function leadingPart(w: Float32Array, { out, in: width }: Sizes, r: number): Float64Array {
  const part = Float64Array.from(w);
  const reflectors: Float64Array[] = [];
  const reflect = (u: Float64Array) => {
    const projected = timesTransposed(part, { out, in: width }, u);
    addOuter(part, { out, in: width }, u, projected, -2);
  };
  for (let k = 0; k < Math.min(r, out, width); k++) {
    const u = new Float64Array(out);
    for (let i = k; i < out; i++) u[i] = part[i * width + k]!;
    const norm = Math.sqrt(dot(u, u));
    u[k] = u[k]! + (u[k]! < 0 ? -norm : norm);
    const length = Math.sqrt(dot(u, u));
    if (length > 0) for (let i = k; i < out; i++) u[i] = u[i]! / length;
    reflect(u);
    reflectors.push(u);
  }
  part.fill(0, Math.min(r, out) * width);
  for (const u of reflectors.reverse()) reflect(u);
  return part;
}

/** a · b, of b from `at` on; in four sums, none of which waits for another. */
function dot(a: Float64Array, b: Float64Array, at = 0): number {
  let [s, t, u, v] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < a.length; i += 4) {
    s += a[i]! * b[at + i]!;
    t += a[i + 1]! * b[at + i + 1]!;
    u += a[i + 2]! * b[at + i + 2]!;
    v += a[i + 3]! * b[at + i + 3]!;
  }
  for (; i < a.length; i++) s += a[i]! * b[at + i]!;
  return s + t + u + v;
}

/** y + a x, in y. */
function axpy(y: Float64Array, a: number, x: Float64Array): void {
  for (let i = 0; i < y.length; i++) y[i] = y[i]! + a * x[i]!;
}

/** W x: [out] */
function times(w: Float64Array, { out, in: width }: Sizes, x: Float64Array): Float64Array {
  const y = new Float64Array(out);
  for (let o = 0; o < out; o++) y[o] = dot(x, w, o * width);
  return y;
}

/** W' y: [in] */
function timesTransposed(w: Float64Array, { out, in: width }: Sizes, y: Float64Array): Float64Array {
  const x = new Float64Array(width);
  for (let o = 0, at = 0; o < out; o++) {
    const factor = y[o]!;
    for (let i = 0; i < width; i++, at++) x[i] = x[i]! + w[at]! * factor;
  }
  return x;
}

/** W + a y x', in W. */
function addOuter(w: Float64Array, { out, in: width }: Sizes, y: Float64Array, x: Float64Array, a: number): void {
  for (let o = 0, at = 0; o < out; o++) {
    const factor = a * y[o]!;
    for (let i = 0; i < width; i++, at++) w[at] = w[at]! + factor * x[i]!;
  }
}
