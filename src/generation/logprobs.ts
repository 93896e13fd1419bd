/** @file What a model says of completions that are given: log-probabilities, entropies, and the likeliest tokens. */

import { DistillError } from "../core/errors.ts";
import { type Batch, type BatchShape, batchShape, layOut, type Row } from "../data/batch.ts";
import { pack } from "../data/packing.ts";
import { input, scalar, type Value } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { linear } from "../nn/linear.ts";
import { headValues } from "../nn/value-head.ts";
import {
  Add,
  After,
  Cast,
  Exp,
  Gather,
  GatherElements,
  LogSoftmax,
  Mul,
  Neg,
  ReduceSum,
  ScatterElements,
} from "../ops/index.ts";
import { topK } from "../ops/top-k.ts";
import type { Device, Program } from "../runtime/device.ts";
import { scalarTensor, type Tensor, tensor } from "../runtime/tensor.ts";
import { notFinite } from "./finite.ts";
import { tokenFeeds, tokenInputs } from "./tokens.ts";

export type ScorerOptions = {
  /** The most tokens that a text may have. Texts are packed into rows of that length, or shorter ones where all are short. */
  max_length: number;
  /** Rows that are computed together; as many as hold 4096 tokens unless given. */
  rows?: number;
  /** Whether the entropy of each distribution is wanted. */
  entropy?: boolean;
  /** How many of the likeliest tokens are wanted; 0 for none. */
  top?: number;
  /** The states of a linear layer, [1, width] and [1], that makes a number of the hidden state before each token. */
  value?: { weight: string; bias: string } | undefined;
  /** What errors call the model. */
  source?: string;
  /** The states that stand in for weights, by the weights' names. */
  reads?: Record<string, string>;
};

export type ScoredText = { prompt: readonly number[]; completion: readonly number[] };

/** Of each token of a completion, in nats, at the temperature that was asked for. */
export type Scores = {
  logprobs: Float32Array;
  entropies?: Float32Array;
  /** The likeliest tokens, the likeliest first: [tokens, top], and the probability of all others together: [tokens]. */
  top?: { ids: Int32Array; logprobs: Float32Array; tail: Float32Array };
  values?: Float32Array;
};

export type Scorer = {
  /**
   * The scores of each text, by the weights that are now states of the device. Throws a DistillError for a text that has no
   * prompt or is too long, and for logits that are not finite.
   */
  score(texts: readonly ScoredText[], options?: { temperature?: number }): Promise<Scores[]>;
  close(): Promise<void>;
};

/** Tokens that are computed together unless `rows` says otherwise, and the shortest rows. */
const TOKENS = 4096;
const SHORTEST = 64;

/** A scorer for a model whose weights are states of the device. */
export function openScorer(device: Device, trained: Model, options: ScorerOptions): Scorer {
  const model = trained.eval();
  const { max_length, source = "The model", reads = {}, top = 0 } = options;
  const vocab = model.head.shape[0] as number;
  const wanted = { entropy: options.entropy === true, top: Math.min(top, vocab), value: options.value };
  const programs = new Map<string, Promise<Program>>();
  const pieces = device.target.pieces && { heads: model.num_heads, ...device.target.pieces };

  function refuse({ prompt, completion }: ScoredText, i: number): void {
    if (prompt.length === 0)
      throw new DistillError(`Text ${i} has no prompt to predict its completion from. Give at least one token.`);
    const length = prompt.length + completion.length;
    if (length > max_length)
      throw new DistillError(
        `Text ${i} has ${length} tokens, and at most ${max_length} were asked for. Raise max_length.`,
      );
  }

  async function run(rows: readonly Row[], shape: BatchShape, temperature: number): Promise<Columns> {
    const batch = layOut(rows, shape);
    const tempered = temperature !== 1;
    const key = `${shape.rows} ${shape.length} ${tempered}`;
    const program = programs.get(key) ?? device.compile(scores(model, shape, { ...wanted, tempered }));
    programs.set(key, program);
    const feeds = { ...tokenFeeds(batch), ...labelFeeds(batch), inverse_temperature: scalarTensor(1 / temperature) };
    return columnsOf(await (await program).run(feeds, { reads }), shape.chunks);
  }

  return {
    async score(texts, { temperature = 1 } = {}) {
      texts.forEach(refuse);
      const lengths = Int32Array.from(texts, ({ prompt, completion }) => prompt.length + completion.length);
      // sizes are powers of two, so that there are few programs
      const length = Math.min(max_length, ceilPower(Math.max(SHORTEST, ...lengths)));
      const most = options.rows ?? Math.max(1, Math.floor(TOKENS / length));
      const packed = pack(lengths, length);
      const all: Scores[] = [];
      for (let first = 0; first < packed.length; first += most) {
        const numbers = packed.slice(first, first + most);
        const rows = numbers.map((row) => row.map((i) => segmentOf(texts[i]!)));
        const shape = batchShape(Math.min(most, ceilPower(rows.length)), length, vocab, pieces);
        const columns = await run(rows, shape, temperature);
        let start = 0;
        for (const i of numbers.flat()) {
          const end = start + texts[i]!.completion.length;
          if (columns.logprobs.subarray(start, end).some(Number.isNaN)) throw notFinite(source, `in text ${i}`);
          all[i] = cut(columns, start, end, wanted.top);
          start = end;
        }
      }
      return all;
    },
    async close() {
      for (const program of programs.values()) await (await program).release();
      programs.clear();
    },
  };
}

const segmentOf = ({ prompt, completion }: ScoredText) => {
  const tokens = [...prompt, ...completion];
  return { tokens, supervised: tokens.map((_, i) => i >= prompt.length) };
};

const ceilPower = (n: number): number => 2 ** Math.ceil(Math.log2(n));

/**
 * The program from a batch to what is wanted of its supervised tokens, [supervised, 1] or [supervised, top], a chunk of them
 * at a time. The next chunk begins when all of the last is there, so logits exist for one only.
 */
export function scores(
  model: Model,
  shape: BatchShape,
  {
    entropy,
    top,
    tempered,
    value,
  }: Pick<ScorerOptions, "value"> & { entropy: boolean; top: number; tempered: boolean },
): Record<string, Value> {
  const hidden = model.hidden(tokenInputs(shape));
  const outputs: Record<string, Value> = {};
  for (let i = 0; i < shape.chunks; i++) {
    const rows = input(`rows_${i}`, "int32", ["supervised"]);
    const labels = input(`labels_${i}`, "int32", ["supervised", 1]);
    const last = Object.values(outputs).reduce((x, earlier) => After(x, earlier), Gather(hidden, rows));
    const product = linear(last, model.head);
    const logits = product.dtype === "float16" ? Cast(product, { to: "float32" }) : product;
    const logprobs = LogSoftmax(tempered ? Mul(logits, input("inverse_temperature", "float32", [])) : logits);
    if (value) outputs[`values_${i}`] = headValues(last, value).values;
    outputs[`logprobs_${i}`] = GatherElements(logprobs, labels, { axis: 1 });
    if (entropy) outputs[`entropies_${i}`] = Neg(ReduceSum(Mul(Exp(logprobs), logprobs), { axes: [1] }));
    if (top === 0) continue;
    const { values, indices } = topK(logprobs, top);
    // what is left is summed: 1 - Σ p would lose a small tail to rounding
    const out = Add(Mul(values, scalar(0)), scalar(NEVER));
    const rest = ReduceSum(Exp(ScatterElements(logprobs, indices, out, { axis: 1 })), { axes: [1] });
    Object.assign(outputs, { [`top_logprobs_${i}`]: values, [`top_ids_${i}`]: indices, [`tail_${i}`]: rest });
  }
  return outputs;
}

/** e to this is 0 in float32. */
const NEVER = -1e4;

/** Which positions are supervised, chunk by chunk, and the tokens there; chunks are filled up with position 0. */
function labelFeeds({ supervised, shape: { chunks } }: Batch): Record<string, Tensor> {
  const size = Math.max(1, Math.ceil(supervised.length / chunks));
  const feeds: Record<string, Tensor> = {};
  for (let i = 0; i < chunks; i++) {
    const [rows, labels] = [new Int32Array(size), new Int32Array(size)];
    supervised.slice(i * size, (i + 1) * size).forEach(({ position, label }, k) => {
      [rows[k], labels[k]] = [position, label];
    });
    feeds[`rows_${i}`] = tensor("int32", [size], rows);
    feeds[`labels_${i}`] = tensor("int32", [size, 1], labels);
  }
  return feeds;
}

/** What the program says of all supervised tokens, one after the other. */
type Columns = { logprobs: Float32Array } & Partial<
  Record<"entropies" | "top_logprobs" | "tail" | "values", Float32Array>
> & {
    top_ids?: Int32Array;
  };

function columnsOf(found: Record<string, Tensor>, chunks: number): Columns {
  const names = Object.keys(found).flatMap((name) => (name.endsWith("_0") ? name.slice(0, -2) : []));
  const columns = names.map((name) => {
    const parts = Array.from({ length: chunks }, (_, i) => found[`${name}_${i}`]!.data);
    const all = parts.map((part) => (part instanceof BigInt64Array ? lowWords(part) : (part as Float32Array)));
    const joined = new (all[0]!.constructor as Float32ArrayConstructor)(
      all.reduce((sum, part) => sum + part.length, 0),
    );
    let at = 0;
    for (const part of all) {
      joined.set(part, at);
      at += part.length;
    }
    return [name, joined];
  });
  return Object.fromEntries(columns) as Columns;
}

/** Whole numbers below 2^31, of a little-endian machine. */
function lowWords({ buffer, byteOffset, length }: BigInt64Array): Int32Array {
  const words = new Int32Array(buffer, byteOffset, 2 * length);
  return Int32Array.from({ length }, (_, i) => words[2 * i]!);
}

/** The scores of tokens `start` to `end`. */
function cut(
  { logprobs, entropies, top_ids, top_logprobs, tail, values }: Columns,
  start: number,
  end: number,
  top: number,
): Scores {
  return {
    logprobs: logprobs.slice(start, end),
    ...(entropies && { entropies: entropies.slice(start, end) }),
    ...(values && { values: values.slice(start, end) }),
    ...(top_ids && {
      top: {
        ids: top_ids.slice(start * top, end * top),
        logprobs: top_logprobs!.slice(start * top, end * top),
        tail: tail!.slice(start, end),
      },
    }),
  };
}
