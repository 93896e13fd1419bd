/** @file The programs that read texts piece by piece, with a cache of keys and values among the device's states. */

import { constant, type Dim, input, type Value } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import type { Cache } from "../nn/cached-attention.ts";
import { linear } from "../nn/linear.ts";
import { thinProducts } from "../nn/thin-products.ts";
import { timeMajorAttention, timeMajorMask } from "../nn/time-major-attention.ts";
import { After, Cast, Concat, Expand, Gather, Mul, Overwrite, Reshape, Slice, Softmax } from "../ops/index.ts";
import { position } from "../ops/movement.ts";

/** What a state of a cache is called: keys or values of a layer, [length, batch, kv_heads, head_dim]. */
export const stateNames = ({ cache }: Model, prefix: string): string[] =>
  Array.from({ length: cache.layers }, (_, i) => [`${prefix}.${i}.key`, `${prefix}.${i}.value`]).flat();

/** What the outputs are called that become those states. */
export const outputOf = (state: string) => `next ${state}`;

export type Decoding = {
  outputs: Record<string, Value>;
  /** The frequencies that cos_0 and sin_0, cos_1 … are for. */
  frequencies: readonly (readonly number[])[];
  /** The windows that layers have, each of which has an input of its own for the first key that is seen. */
  windows: readonly (number | undefined)[];
};

/** What the input is called that says which key a token sees first. */
export const firstOf = (window: number | undefined) => (window ? `first_${window}` : "first");

/** Tokens of each text, and texts, that a cache has places for. */
export type CacheSize = { capacity: number; slots: number };

export type DecodingOptions = {
  /** New tokens of each text. */
  length: 1 | "new";
  /** Whether the cache is lengthened in place: what it had and the new tokens are one input, and outputs are the new tokens'. */
  grows: boolean;
  /** Whether the probabilities are wanted at another temperature too. */
  tempered: boolean;
  /** Where the cache has a fixed size, of which the input `place` [1, 1, 1, 1] is the next place. Goes with one new token. */
  fixed?: CacheSize | undefined;
  /** Whether there are so few texts that large products are computed the other way round. */
  few: boolean;
};

/**
 * The program from new tokens to the `probabilities` [1, batch, vocab] of the next one, `tempered` ones, and the cache with
 * the new tokens in it. `prefix` begins the names of its states.
 */
export function decoding(
  model: Model,
  prefix: string,
  { length, grows, tempered, few, fixed }: DecodingOptions,
): Decoding {
  const { num_key_value_heads, head_dim } = model.cache;
  const { dtype } = model.head;
  const heads = { num_heads: model.num_heads, num_key_value_heads, head_dim };
  const [frequencies, windows]: [(readonly number[])[], (number | undefined)[]] = [[], []];
  const batch: Dim = fixed?.slots ?? "batch";
  const keys = fixed
    ? constant(countTo(fixed.capacity), "float32", [1, 1, 1, fixed.capacity])
    : input("keys", "float32", [1, 1, 1, "total"]);
  const place = fixed && input("place", "int32", [1, 1, 1, 1]);
  const last = place
    ? Cast(place, { to: "float32" })
    : length === 1
      ? undefined
      : input("last", "float32", [1, 1, length, 1]);
  const size = [1, batch, num_key_value_heads, head_dim];
  const places = place && Expand(place, { shape: size });
  const masks = new Map<number | undefined, Value>();
  const mask = (window: number | undefined): Value => {
    if (!masks.has(window)) {
      windows.push(window);
      const first = input(firstOf(window), "float32", [batch, 1, length, 1]);
      masks.set(window, timeMajorMask({ keys, first, last }, model.num_heads / num_key_value_heads, dtype));
    }
    return masks.get(window)!;
  };
  const names = stateNames(model, prefix);
  const outputs: Record<string, Value> = {};
  /** The state with the new keys or values, and what must be computed before it is read. */
  const lengthened = (x: Value, name: string): Value => {
    const state = (dim: Dim) => input(name, dtype, [dim, batch, num_key_value_heads, head_dim]);
    if (places) {
      const all = Overwrite(state(fixed.capacity), places, Reshape(x, { shape: size }), { axis: 0 });
      outputs[outputOf(name)] = all;
      return all;
    }
    if (grows) {
      outputs[outputOf(name)] = x;
      return state("total");
    }
    const added = Reshape(x, { shape: [length, batch, num_key_value_heads, head_dim] });
    const all = Concat(state("past"), added, { axis: 0, size: "total" });
    outputs[outputOf(name)] = all;
    return all;
  };
  const hidden = model.next({
    input_ids: input("input_ids", "int32", [length, batch]),
    rotation(list) {
      const i = frequencies.push(list) - 1;
      const [cos, sin] = ["cos", "sin"].map((name) => {
        const fed = input(`${name}_${i}`, "float32", [length, batch, list.length]);
        return dtype === "float32" ? fed : Cast(fed, { to: dtype });
      }) as [Value, Value];
      return { cos, sin };
    },
    attend(q, k, v, { index, window }) {
      const cache: Cache = { key: lengthened(k, names[2 * index]!), value: lengthened(v, names[2 * index + 1]!) };
      const ready = grows ? After(After(q, k), v) : q;
      return timeMajorAttention(ready, cache, mask(window), heads);
    },
  });
  const product = linear(length === 1 ? hidden : lastOf(hidden), model.head);
  const logits = dtype === "float32" ? product : Cast(product, { to: "float32" });
  outputs.probabilities = Softmax(logits);
  if (tempered) outputs.tempered = Softmax(Mul(logits, input("inverse_temperature", "float32", [])));
  const thin = few ? thinProducts(Object.values(outputs)) : Object.values(outputs);
  return { outputs: Object.fromEntries(Object.keys(outputs).map((name, i) => [name, thin[i]!])), frequencies, windows };
}

/** 0, 1, … n - 1. */
export const countTo = (n: number): Float32Array<ArrayBuffer> => Float32Array.from({ length: n }, (_, i) => i);

/** x [new, …] → its last, [1, …] */
const lastOf = (x: Value) => Slice(x, position(-1), position(Number.MAX_SAFE_INTEGER), { axis: 0, size: 1 });

/**
 * The program that makes states of others: of rows [length·batch, …] of one cache, or of two laid end to end, those that
 * `places` int32 [length, batch] says.
 */
export function rearrangement(model: Model, prefix: string, from: readonly string[]): Record<string, Value> {
  const { num_key_value_heads, head_dim } = model.cache;
  const places = input("places", "int32", ["new length", "new batch"]);
  const rows = (name: string, i: number) =>
    Reshape(input(name, model.head.dtype, [`length_${i}`, `batch_${i}`, num_key_value_heads, head_dim]), {
      shape: [`rows_${i}`, num_key_value_heads * head_dim],
    });
  const sources = from.map((source) => stateNames(model, source));
  return Object.fromEntries(
    stateNames(model, prefix).map((name, i) => {
      const parts = sources.map((names, k) => rows(names[i]!, k));
      const all = parts.length === 1 ? parts[0]! : Concat(...parts, { axis: 0, size: "rows" });
      const chosen = Gather(all, places);
      return [outputOf(name), Reshape(chosen, { shape: [...places.shape, num_key_value_heads, head_dim] })];
    }),
  );
}
