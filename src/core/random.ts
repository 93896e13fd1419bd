/** Random numbers from a seed, the same on every machine. */
export type Random = {
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number;
  /** 32 random bits, as a whole number. */
  bits(): number;
  /** A whole number in [0, n). */
  below(n: number): number;
  /** Normal with mean 0 and deviation 1. */
  normal(): number;
  /** The same elements in random order. */
  shuffled<T>(items: readonly T[]): T[];
};

/** xoshiro128** (Blackman and Vigna, 2018), its state filled from the seed by splitmix32. */
export function seededRandom(seed: number): Random {
  let x = seed >>> 0;
  const splitmix = () => {
    x = (x + 0x9e3779b9) >>> 0;
    let z = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  // with a sign: V8 keeps such numbers where they are, and makes an object of each larger one
  let [a, b, c, d] = [splitmix() | 0, splitmix() | 0, splitmix() | 0, splitmix() | 0];
  const rotate = (v: number, k: number) => (v << k) | (v >>> (32 - k));
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
  const uniform = () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
  const below = (n: number) => Math.floor(uniform() * n);
  let spare: number | undefined;
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  const shuffled = <T>(items: readonly T[]): T[] => {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [result[i], result[j]] = [result[j]!, result[i]!];
    }
    return result;
  };
  return { uniform, bits: next, below, normal, shuffled };
}

/** A seed that is different for each of `parts`, and the same for the same ones (FNV-1a). */
export function deriveSeed(...parts: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const character of parts.join("\u0000")) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  return hash >>> 0;
}

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!;
