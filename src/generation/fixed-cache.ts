/**
 * @file The keys and values of texts on a GPU: in states of few sizes that stay at one address, so that the launches of a step
 * can be repeated. A size has room for more tokens and texts than there are; what nobody sees stands there.
 */

import { input, type Value } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { Cast } from "../ops/index.ts";
import type { Device, Program } from "../runtime/device.ts";
import { tensor } from "../runtime/tensor.ts";
import { type CacheSize, type Decoding, decoding, outputOf, rearrangement, stateNames } from "./decoding.ts";
import { once } from "./once.ts";

/** Tokens that a cache has places for at least, and that it has room for when texts come. */
const [LEAST, ROOM] = [64, 16];

/** Elements of caches that stay while there are no texts; larger ones are freed. */
const KEPT = 2 ** 26;

export type FixedCache = {
  readonly size: CacheSize;
  /** What its states' names begin with. */
  readonly prefix: string;
  /** Take texts of `length` tokens from caches of these prefixes; `places` int32 [capacity, slots] says from which rows. */
  take(
    texts: { length: number; count: number },
    from: readonly string[],
    places: (size: CacheSize) => Int32Array,
  ): Promise<void>;
  /** The program that reads a token of each text. */
  decoder(tempered: boolean): Promise<Decoding & { program: Program }>;
  /** Free what is large. */
  clear(): Promise<void>;
  close(): Promise<void>;
};

/** A cache without texts. `name` begins the names of its states. */
export function fixedCache(device: Device, model: Model, name: string): FixedCache {
  let size: CacheSize = { capacity: LEAST, slots: 1 };
  const held = new Map<string, CacheSize>();
  const prefixOf = ({ capacity, slots }: CacheSize) => `${name}/${capacity}x${slots}`;
  /** The states of one prefix by those of another. */
  const reading = (from: string, to: string) => {
    const targets = stateNames(model, to);
    return Object.fromEntries(stateNames(model, from).map((state, i) => [state, targets[i]!]));
  };
  const writing = (to: string) =>
    Object.fromEntries(Object.entries(reading(TO, to)).map(([state, target]) => [outputOf(state), target]));
  const compile = (outputs: Record<string, Value>) => device.compile(outputs, { keep: Object.keys(outputs) });

  const decoders = once(async (prefix: string, capacity: string, slots: string, tempered: boolean) => {
    const fixed = { capacity: Number(capacity), slots: Number(slots) };
    const decoded = decoding(model, prefix, { length: 1, grows: false, tempered, few: false, fixed });
    const states = stateNames(model, prefix);
    const over = Object.fromEntries(states.map((state) => [outputOf(state), state]));
    const program = await device.compile(decoded.outputs, { keep: Object.keys(over), over, capture: true });
    return { ...decoded, program };
  });
  const rearrangements = once((...from: string[]) => compile(rearrangement(model, TO, from)));
  const copies = once(() => compile(copied(model)));

  return {
    get size() {
      return size;
    },
    get prefix() {
      return prefixOf(size);
    },

    async take({ length, count }, from, places) {
      const next = { capacity: sizeFor(Math.max(LEAST, length + ROOM)), slots: sizeFor(count) };
      const target = prefixOf(next);
      const sources = from.map((_, i) => `${FROM}${i}`);
      const aside = `${name}/aside`;
      const reads = Object.assign({}, ...from.map((prefix, i) => reading(sources[i]!, prefix)));
      const { capacity, slots } = next;
      const into = from.includes(target) ? aside : target;
      await (await rearrangements(...sources)).run(
        { places: tensor("int32", [capacity, slots], places(next)) },
        { reads, writes: writing(into) },
      );
      if (into === aside) {
        await (await copies()).run({}, { reads: reading(`${FROM}0`, aside), writes: writing(target) });
        await device.forget(...stateNames(model, aside));
      }
      held.set(target, next);
      size = next;
    },

    decoder: (tempered) => decoders(prefixOf(size), `${size.capacity}`, `${size.slots}`, tempered),

    async clear() {
      const { layers, num_key_value_heads, head_dim } = model.cache;
      const width = 2 * layers * num_key_value_heads * head_dim;
      for (const [prefix, { capacity, slots }] of held)
        if (capacity * slots * width > KEPT) {
          held.delete(prefix);
          await device.forget(...stateNames(model, prefix));
        }
    },

    async close() {
      for (const prefix of held.keys()) await device.forget(...stateNames(model, prefix));
      for (const { program } of await Promise.all(decoders.all())) await program.release();
      for (const program of await Promise.all([...rearrangements.all(), ...copies.all()])) await program.release();
    },
  };
}

/** What programs that copy call the caches that they read and the one that they give. */
const [FROM, TO] = ["from", "to"];

/** The program that copies a cache. */
function copied(model: Model): Record<string, Value> {
  const { num_key_value_heads, head_dim } = model.cache;
  const { dtype } = model.head;
  const from = stateNames(model, `${FROM}0`);
  return Object.fromEntries(
    stateNames(model, TO).map((name, i) => {
      const state = input(from[i]!, dtype, ["length", "batch", num_key_value_heads, head_dim]);
      return [outputOf(name), Cast(state, { to: dtype })];
    }),
  );
}

/** The smallest power of two that is no less. */
const sizeFor = (count: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, count)));
