/** @file Texts side by side, with their keys and values in states of the device. They end together; shorter ones are padded before. */

import type { Model } from "../models/model.ts";
import type { Device, Program } from "../runtime/device.ts";
import { type Tensor, tensor } from "../runtime/tensor.ts";
import { type Decoding, decoding, firstOf, outputOf, rearrangement, stateNames } from "./decoding.ts";
import { rotations } from "./rotations.ts";

export type RunningBatch = {
  /** Read prompts, which wait aside. The probabilities of the next token behind each: [prompts, vocab]. */
  read(prompts: readonly (readonly number[])[]): Promise<Float32Array>;
  /** Go on with these of the texts and, behind them, with these of the prompts that were read, each as often as it is named. */
  arrange(kept: readonly number[], prompts: readonly number[]): Promise<void>;
  /** Add a token to each text. The probabilities of the next one: [texts, vocab]. */
  step(tokens: readonly number[]): Promise<Float32Array>;
  /** Free the texts. */
  clear(): Promise<void>;
  /** Free the texts and the programs. */
  close(): Promise<void>;
};

/** Scores of attention that prompts are read in pieces for: 64 MiB of float32. */
const MOST_SCORES = 2 ** 24;

/** Where texts are: how many tokens there is room for, and at which each text starts. */
type Layout = { length: number; starts: readonly number[] };

/** `name` begins the names of the states. */
export function runningBatch(device: Device, model: Model, name: string): RunningBatch {
  const grows = device.target.residency === "shared";
  const [main, aside] = [`${name}/texts`, `${name}/prompts`];
  const { num_key_value_heads, head_dim } = model.cache;
  const compiled = new Map<string, Promise<Program>>();
  const once = (key: string, compile: () => Promise<Program>): Promise<Program> => {
    const program = compiled.get(key) ?? compile();
    compiled.set(key, program);
    return program;
  };
  const states = (prefix: string) => stateNames(model, prefix);
  const kept = (prefix: string) => states(prefix).map(outputOf);
  const each = <T>(prefix: string, key: (state: string) => string, value: (state: string) => T) =>
    Object.fromEntries(states(prefix).map((state) => [key(state), value(state)]));
  const writes = (prefix: string) => each(prefix, outputOf, (state) => state);
  const lengths = (prefix: string, length: number) =>
    each(
      prefix,
      (state) => state,
      () => length,
    );
  const ends = (prefix: string, count: number) => each(prefix, outputOf, (state) => ({ state, count }));

  const reading = decoding(model, aside, "new", grows);
  const stepping = decoding(model, main, 1, grows);
  const tables = reading.frequencies.map(rotations);

  let texts: Layout = { length: 0, starts: [] };
  let prompts: Layout = texts;

  /** Run a decoding over `count` new tokens of each text, time by time. */
  async function decode(
    prefix: string,
    { outputs, windows }: Decoding,
    { length, starts }: Layout,
    count: number,
    ids: Int32Array,
  ): Promise<Float32Array> {
    const program = await once(`decode ${prefix}`, () => device.compile(outputs, { keep: grows ? [] : kept(prefix) }));
    const batch = starts.length;
    const total = length + count;
    const positions = Array.from({ length: count * batch }, (_, i) =>
      Math.max(0, length + Math.floor(i / batch) - starts[i % batch]!),
    );
    const feeds: Record<string, Tensor> = {
      input_ids: tensor("int32", [count, batch], ids),
      keys: tensor(
        "float32",
        [1, 1, 1, total],
        Float32Array.from({ length: total }, (_, i) => i),
      ),
    };
    for (const [i, table] of tables.entries()) {
      const { cos, sin } = table.at(positions, batch);
      feeds[`cos_${i}`] = cos;
      feeds[`sin_${i}`] = sin;
    }
    for (const window of windows) {
      const first = new Float32Array(batch * count);
      for (let b = 0; b < batch; b++)
        for (let t = 0; t < count; t++)
          first[b * count + t] = Math.max(starts[b]!, window ? length + t - window + 1 : 0);
      feeds[firstOf(window)] = tensor("float32", [batch, 1, count, 1], first);
    }
    if (prefix === aside)
      feeds.last = tensor(
        "float32",
        [1, 1, count, 1],
        Float32Array.from({ length: count }, (_, t) => length + t),
      );
    const { probabilities } = await program.run(
      feeds,
      grows ? { growth: { lengths: lengths(prefix, total), ends: ends(prefix, count) } } : { writes: writes(prefix) },
    );
    return probabilities!.data as Float32Array;
  }

  return {
    async read(all) {
      const longest = Math.max(...all.map(({ length }) => length));
      // a cache that grows by Concat begins with a row that nothing sees: not every device has tensors without elements
      const before = grows ? 0 : 1;
      const total = before + longest;
      const starts = all.map(({ length }) => total - length);
      const shape = [grows ? total : before, all.length, num_key_value_heads, head_dim];
      const size = shape.reduce((a, b) => a * b, 1);
      const { dtype } = model.head;
      for (const state of states(aside))
        await device.write(
          state,
          tensor(dtype, shape, dtype === "float16" ? new Uint16Array(size) : new Float32Array(size)),
        );
      const most = Math.max(1, Math.floor(MOST_SCORES / (all.length * model.num_heads * total)));
      let probabilities!: Float32Array;
      for (let length = before; length < total; length += most) {
        const count = Math.min(most, total - length);
        const ids = Int32Array.from({ length: count * all.length }, (_, i) => {
          const p = i % all.length;
          return all[p]![length + Math.floor(i / all.length) - starts[p]!] ?? 0;
        });
        probabilities = await decode(aside, reading, { length, starts }, count, ids);
      }
      prompts = { length: total, starts };
      return probabilities;
    },

    async arrange(rows, fresh) {
      const sources = [
        ...(rows.length > 0 ? [{ prefix: main, layout: texts, rows }] : []),
        ...(fresh.length > 0 ? [{ prefix: aside, layout: prompts, rows: fresh }] : []),
      ];
      const taken: { offset: number; stride: number; row: number; start: number; size: number }[] = [];
      let offset = 0;
      for (const { layout, rows } of sources) {
        const stride = layout.starts.length;
        for (const row of rows) {
          const start = layout.starts[row]!;
          taken.push({ offset, stride, row, start, size: layout.length - start });
        }
        offset += layout.length * stride;
      }
      const length = Math.max(...taken.map(({ size }) => size));
      const starts = taken.map(({ size }) => length - size);
      const places = new Int32Array(length * taken.length);
      for (const [b, { offset, stride, row, start, size }] of taken.entries())
        for (let t = 0; t < length; t++)
          // what stands before a text is never seen: any row will do
          places[t * taken.length + b] = offset + Math.max(start, start + t - length + size) * stride + row;
      const from = sources.map(({ prefix }) => prefix);
      const program = await once(`arrange ${from.join(" ")}`, () =>
        device.compile(rearrangement(model, main, from), { keep: kept(main) }),
      );
      await program.run(
        { places: tensor("int32", [length, taken.length], places) },
        {
          writes: writes(main),
          ...(grows && {
            growth: {
              lengths: Object.assign({}, ...sources.map(({ prefix, layout }) => lengths(prefix, layout.length))),
            },
          }),
        },
      );
      texts = { length, starts };
      if (fresh.length > 0) await device.forget(...states(aside));
    },

    async step(tokens) {
      const probabilities = await decode(main, stepping, texts, 1, Int32Array.from(tokens));
      texts = { ...texts, length: texts.length + 1 };
      return probabilities;
    },

    async clear() {
      const own = new Set([...states(main), ...states(aside)]);
      await device.forget(...(await device.states()).filter((state) => own.has(state)));
      [texts, prompts] = [
        { length: 0, starts: [] },
        { length: 0, starts: [] },
      ];
    },

    async close() {
      await this.clear();
      for (const program of compiled.values()) await (await program).release();
      compiled.clear();
    },
  };
}
