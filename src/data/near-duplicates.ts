/** @file Texts that are nearly the same: min-hashes of their runs of words (Broder 1997), compared where a band agrees. */

import { wordsOf } from "./words.ts";

const RUN = 3; // words
const HASHES = 64;
const BAND = 4; // hashes that must agree for two texts to be compared: at similarity 0.8 all 16 bands miss in 0.02 %

export type Signature = Uint32Array;

/** For each of 64 hash functions the least hash of a text's runs of three words. */
export function signatureOf(text: string): Signature {
  const words = wordsOf(text).map(({ word }) => word);
  const signature = new Uint32Array(HASHES).fill(0xffffffff);
  for (let at = 0; at === 0 || at + RUN <= words.length; at++) {
    const run = hashOf(words.slice(at, at + RUN).join(" "));
    for (let i = 0; i < HASHES; i++) {
      const hash = mixed(run ^ Math.imul(i + 1, 0x9e3779b9));
      if (hash < signature[i]!) signature[i] = hash;
    }
  }
  return signature;
}

/** The Jaccard similarity of two texts' runs, as their signatures estimate it. */
export const similarity = (a: Signature, b: Signature): number =>
  a.reduce((same, hash, i) => same + Number(hash === b[i]), 0) / HASHES;

/** Says of one signature after the other whether one before it, that was new itself, is at least so similar. */
export function nearDuplicates(atLeast: number): (signature: Signature) => boolean {
  const bands = new Map<string, Signature[]>();
  return (signature) => {
    const keys = Array.from({ length: HASHES / BAND }, (_, i) => `${i}:${signature.slice(i * BAND, (i + 1) * BAND)}`);
    const found = keys.some((key) => bands.get(key)?.some((other) => similarity(signature, other) >= atLeast));
    if (!found)
      for (const key of keys) {
        const same = bands.get(key);
        if (same) same.push(signature);
        else bands.set(key, [signature]);
      }
    return found;
  };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** The finalizer of MurmurHash3. */
function mixed(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
