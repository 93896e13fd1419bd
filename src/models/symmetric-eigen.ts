/** @file Eigenvalues and eigenvectors of a symmetric matrix, in double precision. */

/**
 * The eigenvectors of the symmetric matrix `a`, [n, n] row-major, as the rows of `vectors`, by falling eigenvalue. `a` is
 * overwritten. Householder's reduction to a tridiagonal matrix, then QL with Wilkinson's shifts.
 */
export function symmetricEigen(a: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const off = new Float64Array(n); // below the diagonal
  const vectors = new Float64Array(n * n); // row i: the i-th eigenvector, once rotated
  const reflectors = reduce(a, n, off);
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]!);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  iterate(diagonal, off, vectors, n);
  // T = H' A H: rows of eigenvectors of T, times the reflectors from the last to the first, are those of A
  for (let k = reflectors.length - 1; k >= 0; k--) {
    const u = reflectors[k]!;
    for (let row = 0; row < n; row++) {
      const at = row * n;
      let dot = 0;
      for (let j = k + 1; j < n; j++) dot += vectors[at + j]! * u[j]!;
      if (dot !== 0) for (let j = k + 1; j < n; j++) vectors[at + j] = vectors[at + j]! - 2 * dot * u[j]!;
    }
  }
  const order = [...diagonal.keys()].sort((i, j) => diagonal[j]! - diagonal[i]!);
  const sorted = new Float64Array(n * n);
  for (const [to, from] of order.entries()) sorted.set(vectors.subarray(from * n, (from + 1) * n), to * n);
  return { values: Float64Array.from(order, (i) => diagonal[i]!), vectors: sorted };
}

/** Make `a` tridiagonal; its off-diagonal goes to `off`. The unit vectors u of the reflections I - 2 u u', by column. */
function reduce(a: Float64Array, n: number, off: Float64Array): Float64Array[] {
  const reflectors: Float64Array[] = [];
  for (let k = 0; k < n - 1; k++) {
    const u = new Float64Array(n);
    let norm = 0;
    for (let i = k + 1; i < n; i++) {
      u[i] = a[i * n + k]!;
      norm = Math.hypot(norm, u[i]!);
    }
    const alpha = u[k + 1]! > 0 ? -norm : norm;
    off[k] = alpha;
    u[k + 1] = u[k + 1]! - alpha;
    normalise(u);
    reflectors.push(u);
    // A - 2 u p' - 2 p u', where p = A u - u (u' A u)
    const p = new Float64Array(n);
    let dot = 0;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += a[i * n + j]! * u[j]!;
      p[i] = sum;
      dot += sum * u[i]!;
    }
    for (let i = k + 1; i < n; i++) p[i] = p[i]! - dot * u[i]!;
    for (let i = k + 1; i < n; i++) {
      const [ui, pi] = [2 * u[i]!, 2 * p[i]!];
      for (let j = k + 1; j < n; j++) a[i * n + j] = a[i * n + j]! - ui * p[j]! - pi * u[j]!;
    }
  }
  return reflectors;
}

function normalise(u: Float64Array): void {
  let norm = 0;
  for (const x of u) norm = Math.hypot(norm, x);
  if (norm > 0) for (let i = 0; i < u.length; i++) u[i] = u[i]! / norm;
}

/** Rotate the tridiagonal matrix d, e until it is diagonal; rows of `z` turn with it. */
function iterate(d: Float64Array, e: Float64Array, z: Float64Array, n: number): void {
  for (let first = 0; first < n; first++)
    for (;;) {
      let last = first;
      while (last < n - 1 && Math.abs(e[last]!) > Number.EPSILON * (Math.abs(d[last]!) + Math.abs(d[last + 1]!)))
        last++;
      if (last === first) break;
      sweep(d, e, z, n, first, last);
    }
}

/** One implicit QL step on rows first … last, from the bottom up. */
function sweep(d: Float64Array, e: Float64Array, z: Float64Array, n: number, first: number, last: number): void {
  // the eigenvalue of the leading 2 × 2 block that is nearer to its first element
  const half = (d[first + 1]! - d[first]!) / (2 * e[first]!);
  const shift = d[first]! - e[first]! / (half + Math.sign(half || 1) * Math.hypot(half, 1));
  let [cos, sin, carried, bulge] = [1, 1, 0, d[last]! - shift];
  for (let i = last - 1; i >= first; i--) {
    const [up, side] = [sin * e[i]!, cos * e[i]!];
    const length = Math.hypot(up, bulge);
    e[i + 1] = length;
    if (length === 0) {
      // the matrix falls apart here
      d[i + 1] = d[i + 1]! - carried;
      e[last] = 0;
      return;
    }
    [sin, cos] = [up / length, bulge / length];
    const next = d[i + 1]! - carried;
    const turn = (d[i]! - next) * sin + 2 * cos * side;
    carried = sin * turn;
    d[i + 1] = next + carried;
    bulge = cos * turn - side;
    for (let k = i * n, to = k + n; k < (i + 1) * n; k++, to++) {
      const [x, y] = [z[k]!, z[to]!];
      z[to] = sin * x + cos * y;
      z[k] = cos * x - sin * y;
    }
  }
  d[first] = d[first]! - carried;
  e[first] = bulge;
  e[last] = 0;
}
