/** @file The decoder that families share. A family declares in what its own differs. */

import { input, scalar, type Value } from "../graph/value.ts";
import { attention } from "../nn/attention.ts";
import { type Cache, cachedAttention, cacheMask } from "../nn/cached-attention.ts";
import { dora, doraInput, doraWeight, ofMagnitude } from "../nn/dora.ts";
import { headRotation, joinedAttention } from "../nn/joined-attention.ts";
import { type Linear, linear } from "../nn/linear.ts";
import { lora, narrowed } from "../nn/lora.ts";
import { type Rotation, rotary, rotaryTables, rotate, rotationAt } from "../nn/rotary.ts";
import { checkpoint } from "../ops/checkpoint.ts";
import { Add, Concat, Mul, Reshape, SimplifiedLayerNormalization } from "../ops/index.ts";
import { adapterOf, loraNames, maskName } from "./lora.ts";
import type { Model, ModelOptions, Parameter } from "./model.ts";
import { storageOf } from "./storage.ts";

const QKV = ["q_proj", "k_proj", "v_proj"] as const;

/** A family's answers, for one config. */
export type Decoder = {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  rms_norm_eps: number;
  tie_word_embeddings: boolean;
  max_position_embeddings: number;
  initializer_range: number;
  layers: readonly Layer[];
  norms: NormNames;
  /** What is added to the weights of norms. */
  norm_offset: 0 | 1;
  /** Whether each head of queries and keys is normalised before it is rotated. */
  head_norms: boolean;
  /** The projections of attention that have a bias. */
  biases: readonly string[];
  /** The gated feed-forward. */
  feedForward(x: Value, gate: Linear, up: Linear, down: Linear): Value;
  /** What scores of attention are multiplied by. */
  attention_scale: number;
  /** What embeddings are multiplied by. */
  embedding_scale: number;
};

export type Layer = {
  /** Radians a position; layers of equal frequencies share the list. */
  frequencies: readonly number[];
  /** How many tokens a token sees, itself among them; all before it where this is not given. */
  window?: number | undefined;
};

/** What a layer's norms are called, by their place. */
export type NormNames = {
  beforeAttention: string;
  afterAttention?: string;
  beforeFeedForward: string;
  afterFeedForward?: string;
};

/** The weights, as Hugging Face names and orders them. */
export function parametersOf(decoder: Decoder): Parameter[] {
  const { hidden_size: width, intermediate_size: inner, num_heads, num_key_value_heads, head_dim, norms } = decoder;
  const matrix = (name: string, out: number, from: number): Parameter => ({
    name: `${name}.weight`,
    shape: [out, from],
    init: "normal",
  });
  const norm = (name: string, size = width): Parameter => ({
    name: `${name}.weight`,
    shape: [size],
    init: decoder.norm_offset === 0 ? "ones" : "zeros",
  });
  const named = (prefix: string, name: string | undefined) => (name ? [norm(`${prefix}.${name}`)] : []);
  const projection = (prefix: string, name: string, out: number, from: number): Parameter[] => [
    matrix(`${prefix}.${name}`, out, from),
    ...(decoder.biases.includes(name)
      ? [{ name: `${prefix}.${name}.bias`, shape: [out], init: "zeros" as const }]
      : []),
  ];
  const [queries, keys] = [num_heads * head_dim, num_key_value_heads * head_dim];
  const layers = decoder.layers.flatMap((_, i) => {
    const [layer, attention] = [`model.layers.${i}`, `model.layers.${i}.self_attn`];
    return [
      ...named(layer, norms.beforeAttention),
      ...projection(attention, "q_proj", queries, width),
      ...projection(attention, "k_proj", keys, width),
      ...projection(attention, "v_proj", keys, width),
      ...projection(attention, "o_proj", width, queries),
      ...(decoder.head_norms ? [norm(`${attention}.q_norm`, head_dim), norm(`${attention}.k_norm`, head_dim)] : []),
      ...named(layer, norms.afterAttention),
      ...named(layer, norms.beforeFeedForward),
      matrix(`${layer}.mlp.gate_proj`, inner, width),
      matrix(`${layer}.mlp.up_proj`, inner, width),
      matrix(`${layer}.mlp.down_proj`, width, inner),
      ...named(layer, norms.afterFeedForward),
    ];
  });
  const head = decoder.tie_word_embeddings ? [] : [matrix("lm_head", decoder.vocab_size, width)];
  return [matrix("model.embed_tokens", decoder.vocab_size, width), ...layers, norm("model.norm"), ...head];
}

/**
 * Queries, keys and values of the tokens, [..., heads·head_dim] each, which are side by side in `joined` → what they attend to,
 * shaped like the queries.
 */
type Attend = (q: Value, k: Value, v: Value, joined: () => Value) => Value;

/** The model that a family's answers describe. */
export function decoderModel(decoder: Decoder, options: ModelOptions = {}): Model {
  const { dtype = "float32", scope = "", lora: adaptation, base } = options;
  const { num_heads, num_key_value_heads, head_dim, norms, layers } = decoder;
  const parameters = parametersOf(decoder);
  const adapter = adaptation && adapterOf(parameters, adaptation);
  const known = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const storage = memo((name: string) => {
    const parameter = known.get(name)!;
    return storageOf({ ...parameter, name: scope + name }, base?.(parameter) ?? "float32", dtype);
  });
  const shapes = new Map(adapter?.parameters.map(({ name, shape }) => [name, shape]));
  const weight = memo((name: string): Value => {
    const shape = shapes.get(name);
    return shape ? input(scope + name, dtype, shape) : storage(name).whole();
  });
  const heads = { num_heads, num_key_value_heads, head_dim, scale: decoder.attention_scale };

  const embed = (ids: Value): Value => {
    const x = storage("model.embed_tokens.weight").rows(ids);
    return decoder.embedding_scale === 1 ? x : Mul(x, scalar(decoder.embedding_scale, dtype));
  };
  const norm = (x: Value, name: string): Value => {
    const w = weight(`${name}.weight`);
    const whole = decoder.norm_offset === 0 ? w : Add(w, scalar(decoder.norm_offset, dtype));
    return SimplifiedLayerNormalization(x, whole, { epsilon: decoder.rms_norm_eps });
  };
  const dropout = (x: Value, name: string, inference: boolean) =>
    adapter!.keep < 1 && !inference ? [input(maskName(name), "bool", x.shape)] : [];
  const scaling = (name: string, inference: boolean) => ({
    scaling: adapter!.targets.get(name)!.scaling,
    keep: inference ? 1 : adapter!.keep,
  });
  const multiply = (x: Value, name: string, inference: boolean): Value => {
    const w = storage(`${name}.weight`).whole(x);
    if (!adapter?.targets.has(name)) return linear(x, w);
    const [a, b, magnitude] = loraNames(name);
    const [s, mask] = [scaling(name, inference), dropout(x, name, inference)];
    if (adapter.options.use_dora)
      return dora(x, w, ofMagnitude(w, [weight(a), weight(b), weight(magnitude)], s), s, ...mask);
    return lora(x, w, weight(a), weight(b), ...mask, s);
  };
  const project = (x: Value, name: string, inference: boolean): Value => {
    const y = multiply(x, name, inference);
    return known.has(`${name}.bias`) ? Add(y, weight(`${name}.bias`)) : y;
  };
  const headNorm = (x: Value, name: string): Value => {
    if (!decoder.head_norms) return x;
    const split = Reshape(x, { shape: [...x.shape.slice(0, -1), (x.shape.at(-1) as number) / head_dim, head_dim] });
    return Reshape(norm(split, name), { shape: x.shape });
  };
  // one product for queries, keys and values, where nothing comes between it and them
  const isJoined = (self: string) =>
    !decoder.head_norms && QKV.every((name) => !adapter?.targets.has(`${self}.${name}`));
  const joined = (x: Value, self: string): Value => {
    const matrices = QKV.map((name) => storage(`${self}.${name}.weight`).whole(x));
    const y = linear(x, Concat(...matrices, { axis: 0 }));
    const biases = QKV.map((name, i) => {
      const known = decoder.biases.includes(name);
      return known ? weight(`${self}.${name}.bias`) : { data: 0, dtype, shape: [matrices[i]!.shape[0]!] };
    });
    return biases.some(({ name }) => name) ? Add(y, Concat(...biases, { axis: 0 })) : y;
  };
  const feedForward = (x: Value, prefix: string, inference: boolean): Value => {
    const part = (name: string) => (x: Value) => project(x, `${prefix}.${name}`, inference);
    return decoder.feedForward(x, part("gate_proj"), part("up_proj"), part("down_proj"));
  };
  const layer = (i: number, inference: boolean, attend: Attend) => (x: Value) => {
    const [prefix, self] = [`model.layers.${i}`, `model.layers.${i}.self_attn`];
    const after = (y: Value, name: string | undefined) => (name ? norm(y, `${prefix}.${name}`) : y);
    const before = norm(x, `${prefix}.${norms.beforeAttention}`);
    const projected = (y: Value, name: string) => project(y, `${self}.${name}`, inference);
    const q = headNorm(projected(before, "q_proj"), `${self}.q_norm`);
    const k = headNorm(projected(before, "k_proj"), `${self}.k_norm`);
    const v = projected(before, "v_proj");
    const together = () => (isJoined(self) ? joined(before, self) : Concat(q, k, v, { axis: 1 }));
    const output = projected(attend(q, k, v, together), "o_proj");
    const attended = Add(x, after(output, norms.afterAttention));
    const fed = feedForward(norm(attended, `${prefix}.${norms.beforeFeedForward}`), `${prefix}.mlp`, inference);
    return Add(attended, after(fed, norms.afterFeedForward));
  };

  const head = weight(decoder.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight");
  // beside the head: [h, s h A'] [W, B]' = h W' + s h A' B'
  const [headA, headB, headMagnitude] = adapter?.targets.has("lm_head") ? loraNames("lm_head") : [];
  const headDora = adapter?.options.use_dora;
  const wholeHead = (): Value => {
    if (!headB) return head;
    if (!headDora) return Concat(head, weight(headB), { axis: 1 });
    const parts = [weight(headA!), weight(headB), weight(headMagnitude!)] as const;
    return doraWeight(head, ofMagnitude(head, parts, scaling("lm_head", false)), scaling("lm_head", false));
  };
  const last = (x: Value, inference: boolean): Value => {
    const h = norm(x, "model.norm");
    if (!headA) return h;
    const mask = dropout(h, "lm_head", inference);
    if (headDora) return doraInput(h, weight(headA), scaling("lm_head", false), ...mask);
    const u = narrowed(h, weight(headA), scaling("lm_head", inference), ...mask);
    return Concat(h, u, { axis: h.shape.length - 1 });
  };

  return {
    as: (other) => decoderModel(decoder, { ...options, dtype: other }),
    eval: () => decoderModel(decoder, adaptation ? { ...options, lora: { ...adaptation, lora_dropout: 0 } } : options),
    num_heads,
    parameters,
    adapter,
    initializer_range: decoder.initializer_range,
    weight,
    storage,
    head: wholeHead(),
    hidden(tokens, { rematerialize = false, inference = false } = {}) {
      const { rows, length, block, fewKernels, positions, segmentStarts, keyStarts } = tokens;
      const tables = memo((frequencies: readonly number[]): { q: Rotation; k: Rotation } => ({
        q: rotaryTables(length, frequencies, dtype, decoder.attention_scale), // scaled as they are rotated
        k: rotaryTables(length, frequencies, dtype),
      }));
      const turns = memo((frequencies: readonly number[]) => {
        const { q, k } = tables(frequencies);
        return headRotation(positions, q, k);
      });
      let x = embed(tokens.input_ids);
      for (const [i, { frequencies, window }] of layers.entries()) {
        const shape = { rows, length, block, window, ...heads, scale: 1 };
        const f = layer(i, inference, (q, k, v, joined) => {
          if (fewKernels) {
            const { cos, sin } = turns(frequencies);
            return joinedAttention(joined(), cos, sin, segmentStarts, ...keyStarts, shape);
          }
          const rope = tables(frequencies);
          const turned = [rotary(q, positions, rope.q), rotary(k, positions, rope.k)] as const;
          return attention(...turned, v, segmentStarts, ...keyStarts, shape);
        });
        x = rematerialize ? checkpoint(f, x) : f(x);
      }
      return last(x, inference);
    },
    cache: { layers: layers.length, num_key_value_heads, head_dim },
    max_position_embeddings: decoder.max_position_embeddings,
    next({ input_ids, rotation, attend }) {
      const tables = memo((frequencies: readonly number[]): { q: Rotation; k: Rotation } => {
        const k = rotation(frequencies);
        const scale = scalar(decoder.attention_scale, dtype);
        return { k, q: { cos: Mul(k.cos, scale), sin: Mul(k.sin, scale) } };
      });
      let x = embed(input_ids);
      for (const [index, { frequencies, window }] of layers.entries()) {
        const rope = tables(frequencies);
        const f = layer(index, true, (q, k, v) =>
          attend(rotate(q, rope.q, num_heads), rotate(k, rope.k, num_key_value_heads), v, { index, window }),
        );
        x = f(x);
      }
      return last(x, true);
    },
    decode({ input_ids, attention_mask, position_ids, past }) {
      const rotation = memo((frequencies: readonly number[]) => rotationAt(position_ids, frequencies, dtype));
      const mask = memo((window: number | undefined) =>
        cacheMask(attention_mask, past[0]!, input_ids.shape[1]!, { ...heads, window }, dtype),
      );
      const present: Cache[] = [];
      let x = embed(input_ids);
      for (const [i, { frequencies, window }] of layers.entries()) {
        const rope = rotation(frequencies);
        const attend: Attend = (q, k, v) => {
          const turned = [rotate(q, rope, num_heads), rotate(k, rope, num_key_value_heads)] as const;
          const attended = cachedAttention(...turned, v, past[i]!, mask(window), heads);
          present.push(attended.present);
          return attended.output;
        };
        x = layer(i, true, attend)(x);
      }
      return { hidden: last(x, true), present };
    },
  };
}

/** `f`, called once for each argument. */
function memo<Key, Result>(f: (key: Key) => Result): (key: Key) => Result {
  const known = new Map<Key, Result>();
  return (key) => {
    if (!known.has(key)) known.set(key, f(key));
    return known.get(key)!;
  };
}
