/** @file Damage that knows nothing of a format. */

import type { Random } from "../../../src/core/random.ts";
import { pick } from "./target.ts";

/** Numbers that break what trusts them, as 64 bits. */
export const NUMBERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  31n,
  255n,
  2n ** 15n,
  2n ** 16n,
  2n ** 20n,
  2n ** 24n + 1n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Put a number of `size` bytes at a place. */
export function put(bytes: Buffer, at: number, size: number, value: bigint): void {
  for (let i = 0; i < size && at + i < bytes.length; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
}

/** A file cut, or with bits, bytes or words changed, or a piece moved in, out or twice. */
export function damage(random: Random, original: Uint8Array, within = original.length): [Buffer, string] {
  const bytes = Buffer.from(original);
  const at = random.below(within);
  const kinds: Record<string, () => Buffer> = {
    cut: () => bytes.subarray(0, random.below(bytes.length)),
    flip() {
      for (let n = 1 + random.below(8); n > 0; n--) bytes[random.below(within)]! ^= 1 << random.below(8);
      return bytes;
    },
    byte() {
      for (let n = 1 + random.below(4); n > 0; n--) bytes[random.below(within)] = random.below(256);
      return bytes;
    },
    word() {
      put(bytes, at, pick(random, [4, 8]), pick(random, NUMBERS));
      return bytes;
    },
    out: () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(64))]),
    in: () =>
      Buffer.concat([bytes.subarray(0, at), Buffer.alloc(1 + random.below(64), random.below(256)), bytes.subarray(at)]),
    twice: () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - random.below(256)))]),
    zeros: () => bytes.fill(0, at, Math.min(bytes.length, at + random.below(256))),
  };
  const kind = pick(random, Object.keys(kinds));
  return [kinds[kind]!(), `${kind} at ${at}`];
}
