/**
 * @file The random numbers that llama.cpp draws tokens with, so that a seed draws the same completion from a GGUF file and
 * from an ONNX file of one model: MT19937 (Matsumoto and Nishimura, 1998), two outputs for a double.
 */

const N = 624;
const M = 397;

/** Doubles in [0, 1) as C++'s uniform_real_distribution<double> makes them of mt19937(seed). */
export function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(N);
  state[0] = seed;
  for (let i = 1; i < N; i++) state[i] = Math.imul(1812433253, state[i - 1]! ^ (state[i - 1]! >>> 30)) + i;
  let at = N;
  const next = (): number => {
    if (at === N) {
      for (let i = 0; i < N; i++) {
        const y = (state[i]! & 0x80000000) | (state[(i + 1) % N]! & 0x7fffffff);
        state[i] = state[(i + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  return () => {
    const low = next();
    return Math.min((low + next() * 2 ** 32) / 2 ** 64, 1 - 2 ** -53);
  };
}
