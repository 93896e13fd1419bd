/** @file IEEE half precision and bfloat16 as bits. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The half nearest to x, ties to even, as its 16 bits. */
export function toFloat16(x: number): number {
  float[0] = x;
  const b = bits[0]!;
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // subnormal: the multiple of 2^-24
    float[0] = Math.abs(x);
    return sign | roundHalfEven(float[0]! * 2 ** 24);
  }
  const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
  return sign | (rounded >>> 13);
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** The number that 16 bits of half precision stand for. */
export function fromFloat16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The number that 16 bits of bfloat16 stand for. */
export function fromBfloat16(half: number): number {
  bits[0] = half << 16;
  return float[0]!;
}

/** The bfloat16 nearest to x, ties to even, as its 16 bits. */
export function toBfloat16(x: number): number {
  float[0] = x;
  const b = bits[0]!;
  if ((b & 0x7fffffff) > 0x7f800000) return (b >>> 16) | 0x40;
  return (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
}

/** `to` filled with f of each element of `from`. TypedArray.from would first collect them in a list of three times the size. */
export function convert<To extends Float32Array | Uint16Array>(
  from: ArrayLike<number>,
  to: To,
  f: (x: number, i: number) => number,
): To {
  for (let i = 0; i < to.length; i++) to[i] = f(from[i]!, i);
  return to;
}
