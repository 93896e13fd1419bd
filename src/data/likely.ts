/** @file What a teacher found likely at each supervised token of examples: kept as it is scored, and read by example. */

import { DistillError } from "../core/errors.ts";
import { Int32 } from "../formats/apache-arrow.ts";
import { column, FLOATS, INTEGERS } from "./columns.ts";
import { plain } from "./files/plain.ts";
import { ledgerRows, openLedger } from "./ledger.ts";
import { readTables, type Table, tableOf } from "./tables.ts";
import type { StoredTop } from "./traces.ts";

/**
 * The k most likely tokens at each of n tokens, best first, at temperature 1: ids [n·k], their log-probabilities [n·k], and
 * the log-probability of all other tokens together [n].
 */
export type Likely = { ids: Int32Array; logprobs: Float32Array; tail: Float32Array };

/** What was found likely at the supervised tokens of an example, by its number. */
export type LikelyExamples = { of(example: number): Likely };

/** Of a probability of 0. */
const NEVER = Math.log(1e-9);

/**
 * One token's k most likely ids and log-probabilities, of K >= k that are given, best first. Where `tail` is not given, the
 * probability of all other tokens is what the K leave.
 */
export function likelyToken(
  { ids, logprobs, tail }: { ids: ArrayLike<number>; logprobs: ArrayLike<number>; tail?: number },
  k: number,
): { ids: number[]; logprobs: number[]; tail: number } {
  let left = tail ?? 1;
  for (let i = tail === undefined ? 0 : k; i < ids.length; i++) {
    const p = Math.exp(logprobs[i]!);
    if (tail !== undefined) left += p;
    else if (i < k) left -= p;
  }
  return {
    ids: Array.from({ length: k }, (_, i) => ids[i]!),
    logprobs: Array.from({ length: k }, (_, i) => logprobs[i]!),
    tail: left > 1e-9 ? Math.log(Math.min(1, left)) : NEVER,
  };
}

/** Tokens one after the other. */
export function likelyOf(
  tokens: readonly { ids: readonly number[]; logprobs: readonly number[]; tail: number }[],
): Likely {
  return {
    ids: Int32Array.from(tokens.flatMap(({ ids }) => ids)),
    logprobs: Float32Array.from(tokens.flatMap(({ logprobs }) => logprobs)),
    tail: Float32Array.from(tokens, ({ tail }) => tail),
  };
}

/** What is stored with a trace: at each token the k most likely ones, and the probability of all others. */
export function storedTop(
  tokens: readonly { ids: readonly number[]; logprobs: readonly number[] }[],
  k: number,
): StoredTop {
  const cut = tokens.map((token) => likelyToken(token, Math.min(k, token.ids.length)));
  return {
    top_token_ids: cut.map(({ ids }) => ids),
    top_logprobs: cut.map(({ logprobs }) => logprobs),
    tail_probability: cut.map(({ tail }) => Math.exp(tail)),
  };
}

/** What is stored with a row of a dataset, by the row's number from 1. */
export type StoredRow = {
  row: number;
  token_ids: readonly number[];
  tokens: readonly { ids: readonly number[]; logprobs: readonly number[]; tail: number }[];
};

const STORED = ["token_ids", "top_token_ids", "top_logprobs", "tail_probability"] as const;

/** The rows of a dataset with what is stored with them; none where it has no such columns. */
export async function* storedRows(path: string): AsyncGenerator<StoredRow> {
  let row = 0;
  for await (const table of readTables(path)) {
    const columns = STORED.map((name) => table.getChild(name));
    if (columns.some((column) => column === null)) return;
    for (let i = 0; i < table.numRows; i++) {
      row++;
      const [token_ids, ids, logprobs, tails] = columns.map((column) => plain(column!.get(i) ?? [])) as [
        number[],
        number[][],
        number[][],
        number[],
      ];
      const tokens = ids.map((each, n) => ({ ids: each, logprobs: logprobs[n]!, tail: tails[n]! }));
      yield { row, token_ids, tokens };
    }
  }
}

type Place = { folder: string; key: string };

/** A ledger of examples that are scored one after the other, each once. */
export function openLikely({ folder, key }: Place) {
  const ledger = openLedger(folder, { key });
  const known = new Set<number>();
  let sums = { tokens: 0, tail: 0 };
  const note = (examples: Iterable<number>, tails: Iterable<number>) => {
    for (const example of examples) known.add(example);
    for (const tail of tails) sums = { tokens: sums.tokens + 1, tail: sums.tail + Math.exp(tail) };
  };
  for (const { table } of ledger.tables()) {
    const tails = table.getChild("tail")!;
    note(table.getChild("example")!, flat(tails));
  }
  let pending: { example: number; likely: Likely }[] = [];
  let bytes = 0;
  const flush = () => {
    if (pending.length === 0) return;
    ledger.append(tableOfLikely(pending));
    note(
      pending.map(({ example }) => example),
      pending.flatMap(({ likely }) => [...likely.tail]),
    );
    [pending, bytes] = [[], 0];
  };
  return {
    has: (example: number) => known.has(example),
    /** Tokens that are kept, and the mean probability of what is beyond the known at them. */
    summary: () => ({ examples: known.size, tokens: sums.tokens, tail: sums.tail / (sums.tokens || 1) }),
    keep(example: number, likely: Likely) {
      pending.push({ example, likely });
      bytes += likely.ids.byteLength + likely.logprobs.byteLength;
      if (bytes >= PIECE) flush();
    },
    flush,
    close() {
      flush();
      ledger.close();
    },
  };
}

/** Bytes in a record batch: an example is read with those that lie in its batch. */
const PIECE = 1 << 18;

/** What openLikely kept, by example. */
export function readLikely({ folder, key }: Place): LikelyExamples {
  const rows = ledgerRows(folder, key);
  const places = new Map<number, number>();
  for (let row = 0; row < rows.length; row++) {
    const found = rows.at(row);
    if (found) places.set(found.table.getChild("example")!.get(found.index), row);
  }
  return {
    of(example) {
      const place = places.get(example);
      const found = place === undefined ? undefined : rows.at(place);
      if (!found)
        throw new DistillError(
          `${folder} does not hold what the teacher found likely in example ${example + 1}. The same command scores it again.`,
        );
      const list = (name: string) => found.table.getChild(name)!.get(found.index).toArray();
      return { ids: list("ids"), logprobs: list("logprobs"), tail: list("tail") };
    },
  };
}

function tableOfLikely(rows: readonly { example: number; likely: Likely }[]): Table {
  const found = rows.map(({ likely }) => likely);
  return tableOf({
    example: column(new Int32(), rows, "example"),
    ids: column(INTEGERS, found, "ids"),
    logprobs: column(FLOATS, found, "logprobs"),
    tail: column(FLOATS, found, "tail"),
  });
}

function* flat(lists: Iterable<Iterable<number>>): Generator<number> {
  for (const list of lists) yield* list;
}
