/** @file The graph that transformers.js runs: new tokens and a cache of keys and values → logits and the cache grown by them. */

import { input, type Value } from "../../graph/value.ts";
import type { CachedTokens, Model } from "../../models/model.ts";
import { linear } from "../../nn/linear.ts";
import { Cast, Reshape, Slice, Sub } from "../../ops/index.ts";
import { position } from "../../ops/movement.ts";

export type Decoder = { inputs: readonly Value[]; outputs: Record<string, Value> };

/**
 * Names, shapes and order are those of transformers.js; logits are float32 whatever the model computes in. They are those
 * after each new token, or with `keeps` after as many of the last ones as the input num_logits_to_keep says.
 */
export function decoderOf(model: Model, dtype: "float32" | "float16", { keeps }: { keeps: boolean }): Decoder {
  const { layers, num_key_value_heads, head_dim } = model.cache;
  const cacheShape = ["batch_size", num_key_value_heads, "past_sequence_length", head_dim];
  const past = (i: number, part: "key" | "value") => input(`past_key_values.${i}.${part}`, dtype, cacheShape);
  const tokens: CachedTokens = {
    input_ids: input("input_ids", "int64", ["batch_size", "sequence_length"]),
    attention_mask: input("attention_mask", "int64", ["batch_size", "total_sequence_length"]),
    position_ids: input("position_ids", "int64", ["batch_size", "sequence_length"]),
    past: Array.from({ length: layers }, (_, i) => ({ key: past(i, "key"), value: past(i, "value") })),
  };
  const num_logits_to_keep = input("num_logits_to_keep", "int64", []);
  const { hidden, present } = model.decode(tokens);
  const logits = linear(keeps ? lastOf(hidden, num_logits_to_keep) : hidden, model.head);
  const { input_ids, attention_mask, position_ids } = tokens;
  return {
    inputs: [
      input_ids,
      attention_mask,
      position_ids,
      ...tokens.past.flatMap(({ key, value }) => [key, value]),
      ...(keeps ? [num_logits_to_keep] : []),
    ],
    outputs: {
      logits: dtype === "float32" ? logits : Cast(logits, { to: "float32" }),
      ...Object.fromEntries(
        present.flatMap(({ key, value }, i) => [
          [`present.${i}.key`, key],
          [`present.${i}.value`, value],
        ]),
      ),
    },
  };
}

/** The last `count` tokens of x [batch, new, width]; all of them for 0. */
function lastOf(x: Value, count: Value): Value {
  const start = Sub(position(0), Reshape(count, { shape: [1] }));
  return Slice(x, start, position(Number.MAX_SAFE_INTEGER), { axis: 1, size: "num_logits" });
}
