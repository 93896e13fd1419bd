/** @file Texts side by side, their keys and values in states of the device. They end together; shorter ones are padded before. */

import { elements } from "../graph/shape.ts";
import type { Model } from "../models/model.ts";
import { LARGE } from "../nn/thin-products.ts";
import type { Device, Program } from "../runtime/device.ts";
import { scalarTensor, type Tensor, tensor } from "../runtime/tensor.ts";
import {
  type CacheSize,
  countTo,
  type Decoding,
  decoding,
  firstOf,
  outputOf,
  rearrangement,
  stateNames,
} from "./decoding.ts";
import { fixedCache } from "./fixed-cache.ts";
import { once } from "./once.ts";
import { rotations } from "./rotations.ts";

/** Of the next token of each text, [texts, vocab]: at temperature 1, and at the one that was asked for. */
export type Next = { probabilities: Float32Array; tempered: Float32Array };

export type RunningBatch = {
  /** Read prompts, which wait aside. */
  read(prompts: readonly (readonly number[])[], temperature: number): Promise<Next>;
  /** Go on with these of the texts and, behind them, with these of the prompts that were read, each as often as it is named. */
  arrange(kept: readonly number[], prompts: readonly number[]): Promise<void>;
  /** Add a token to each text. */
  step(tokens: readonly number[], temperature: number): Promise<Next>;
  /** Free the texts. */
  clear(): Promise<void>;
  /** Free the texts and the programs. */
  close(): Promise<void>;
};

/** Scores of attention that prompts are read in pieces for: 64 MiB of float32. */
const MOST_SCORES = 2 ** 24;

/** The most texts for which large products are computed the other way round. */
const FEW = 48;

/** Of fewer weights times texts a step is faster on one thread: others cost more to wake and wait for than they save. */
const ONE_THREAD = 1e7;

/** Where texts are: how long all are with their padding, at which token each starts; and the room where there is more. */
type Layout = { length: number; starts: readonly number[] } & Partial<CacheSize>;

/** A batch without texts. `name` begins the names of its states. */
export function runningBatch(device: Device, model: Model, name: string): RunningBatch {
  const grows = device.target.residency === "shared";
  const [main, aside] = [`${name}/texts`, `${name}/prompts`];
  const fixed = grows ? undefined : fixedCache(device, model, `${name}/cache`);
  const states = (prefix: string) => stateNames(model, prefix);
  const weights = model.parameters.reduce((sum, { shape }) => sum + elements(shape), 0);
  const writes = (prefix: string) => Object.fromEntries(states(prefix).map((state) => [outputOf(state), state]));

  const decoders = once(
    async (
      prefix: string,
      tempered: boolean,
      few: boolean,
      alone: boolean,
    ): Promise<Decoding & { program: Program }> => {
      const decoded = decoding(model, prefix, { length: prefix === main ? 1 : "new", grows, tempered, few });
      const cache = grows ? { grow: writes(prefix) } : { keep: states(prefix).map(outputOf) };
      const threads = alone ? { threads: 1 } : {};
      return { ...decoded, program: await device.compile(decoded.outputs, { ...cache, ...threads }) };
    },
  );
  const rearrangements = once((...from: string[]) =>
    device.compile(rearrangement(model, main, from), { keep: states(main).map(outputOf) }),
  );
  const large = model.parameters.some(({ shape }) => elements(shape) >= LARGE);
  const few = (prefix: string, texts: number) => grows && prefix === main && large && texts <= FEW;
  const tables = new Map<readonly number[], ReturnType<typeof rotations>>();
  const tableOf = (frequencies: readonly number[]) => {
    const table = tables.get(frequencies) ?? rotations(frequencies);
    tables.set(frequencies, table);
    return table;
  };

  let texts: Layout = { length: 0, starts: [] };
  let prompts = texts;

  /** Read new tokens of each text of a cache, int32 [new, texts]. */
  async function decode(
    prefix: string,
    { length, starts }: Layout,
    ids: Int32Array,
    temperature: number,
  ): Promise<Next> {
    const batch = starts.length;
    const cache = prefix === fixed?.prefix ? fixed : undefined;
    const scaled = temperature !== 1;
    const alone = prefix === main && weights * batch < ONE_THREAD;
    const { program, frequencies, windows } = await (cache
      ? cache.decoder(scaled)
      : decoders(prefix, scaled, few(prefix, batch), alone));
    const count = ids.length / batch;
    const total = length + count;
    const positions = Array.from(ids, (_, i) => Math.max(0, length + Math.floor(i / batch) - starts[i % batch]!));
    const feeds: Record<string, Tensor> = {
      input_ids: tensor("int32", [count, batch], ids),
      ...(cache
        ? { place: tensor("int32", [1, 1, 1, 1], [length]) }
        : { keys: tensor("float32", [1, 1, 1, total], countTo(total)) }),
      ...(prefix === aside && { last: tensor("float32", [1, 1, count, 1], countTo(total).slice(length)) }),
      ...(scaled && { inverse_temperature: scalarTensor(1 / temperature) }),
    };
    for (const [i, list] of frequencies.entries()) {
      const { cos, sin } = tableOf(list).at(positions, batch);
      feeds[`cos_${i}`] = cos;
      feeds[`sin_${i}`] = sin;
    }
    for (const window of windows) {
      const first = new Float32Array(ids.length);
      for (let b = 0; b < batch; b++)
        for (let t = 0; t < count; t++)
          first[b * count + t] = Math.max(starts[b]!, window ? length + t - window + 1 : 0);
      feeds[firstOf(window)] = tensor("float32", [batch, 1, count, 1], first);
    }
    const bindings = grows ? { growth: { length: total, count } } : { writes: writes(prefix) };
    const { probabilities, tempered = probabilities } = await program.run(feeds, bindings);
    return { probabilities: probabilities!.data as Float32Array, tempered: tempered!.data as Float32Array };
  }

  /** Put these rows of the texts and of the prompts into the fixed cache. */
  async function refill(cache: NonNullable<typeof fixed>, kept: readonly number[], fresh: readonly number[]) {
    const sources = [
      { prefix: cache.prefix, layout: { ...texts, ...cache.size }, rows: kept },
      { prefix: aside, layout: prompts, rows: fresh },
    ].filter(({ rows }) => rows.length > 0);
    const { layout, places } = arranged(sources);
    const from = sources.map(({ prefix }) => prefix);
    await cache.take({ length: layout.length, count: layout.starts.length }, from, places);
    texts = layout;
  }

  return {
    async read(all, temperature) {
      const longest = Math.max(...all.map(({ length }) => length));
      // a cache that grows by Concat begins with a row that nothing sees: not every device has tensors without elements
      const before = grows ? 0 : 1;
      const total = before + longest;
      const starts = all.map(({ length }) => total - length);
      const { num_key_value_heads, head_dim } = model.cache;
      for (const state of states(aside))
        await device.write(
          state,
          zeros(model.head.dtype, [grows ? total : before, all.length, num_key_value_heads, head_dim]),
        );
      const most = Math.max(1, Math.floor(MOST_SCORES / (all.length * model.num_heads * total)));
      let next!: Next;
      for (let length = before; length < total; length += most) {
        const count = Math.min(most, total - length);
        const ids = Int32Array.from({ length: count * all.length }, (_, i) => {
          const p = i % all.length;
          return all[p]![length + Math.floor(i / all.length) - starts[p]!] ?? 0;
        });
        next = await decode(aside, { length, starts }, ids, temperature);
      }
      prompts = { length: total, starts };
      return next;
    },

    async arrange(kept, fresh) {
      if (fixed) {
        await refill(fixed, kept, fresh);
        if (fresh.length > 0) await device.forget(...states(aside));
        return;
      }
      const sources = [
        { prefix: main, layout: texts, rows: kept },
        { prefix: aside, layout: prompts, rows: fresh },
      ].filter(({ rows }) => rows.length > 0);
      const { places, layout } = arranged(sources);
      const program = await rearrangements(...sources.map(({ prefix }) => prefix));
      const lengths = sources.flatMap(({ prefix, layout }) =>
        states(prefix).map((state): [string, number] => [state, layout.length]),
      );
      await program.run(
        { places: tensor("int32", [layout.length, layout.starts.length], places()) },
        { writes: writes(main), ...(grows && { lengths: Object.fromEntries(lengths) }) },
      );
      texts = layout;
      if (fresh.length > 0) await device.forget(...states(aside));
    },

    async step(tokens, temperature) {
      if (fixed && texts.length === fixed.size.capacity) await refill(fixed, [...tokens.keys()], []);
      const next = fixed
        ? await decode(fixed.prefix, ...filled(fixed.size, texts, tokens), temperature)
        : await decode(main, texts, Int32Array.from(tokens), temperature);
      texts = { ...texts, length: texts.length + 1 };
      return next;
    },

    async clear() {
      const own = new Set([...states(main), ...states(aside)]);
      await device.forget(...(await device.states()).filter((state) => own.has(state)));
      await fixed?.clear();
    },

    async close() {
      await this.clear();
      await fixed?.close();
      for (const { program } of await Promise.all(decoders.all())) await program.release();
      for (const program of await Promise.all(rearrangements.all())) await program.release();
    },
  };
}

/** Texts and their tokens with as many more as there is room for, which see nothing but themselves. */
function filled({ slots }: CacheSize, { length, starts }: Layout, tokens: readonly number[]): [Layout, Int32Array] {
  const more = new Array<number>(slots - starts.length);
  return [{ length, starts: [...starts, ...more.fill(length)] }, Int32Array.from([...tokens, ...more.fill(0)])];
}

/**
 * Texts of one or two caches as one: where in these, laid end to end, each token of each text is, also with room for more, and
 * how the texts then lie.
 */
function arranged(sources: readonly { layout: Layout; rows: readonly number[] }[]): {
  places(size?: CacheSize): Int32Array;
  layout: Layout;
} {
  let offset = 0;
  const taken = sources.flatMap(({ layout: { length, starts, slots, capacity }, rows }) => {
    const [begin, stride] = [offset, slots ?? starts.length];
    offset += (capacity ?? length) * stride;
    return rows.map((row) => ({ first: begin + starts[row]! * stride + row, stride, size: length - starts[row]! }));
  });
  const length = Math.max(...taken.map(({ size }) => size));
  const places = ({ capacity, slots }: CacheSize = { capacity: length, slots: taken.length }) => {
    const all = new Int32Array(capacity * slots);
    for (const [b, { first, stride, size }] of taken.entries())
      for (let t = 0; t < length; t++)
        // what stands before a text is never seen: any place will do
        all[t * slots + b] = first + Math.max(0, t - length + size) * stride;
    return all;
  };
  return { places, layout: { length, starts: taken.map(({ size }) => length - size) } };
}

function zeros(dtype: Tensor["dtype"], shape: readonly number[]): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(dtype, shape, dtype === "float16" ? new Uint16Array(size) : new Float32Array(size));
}
