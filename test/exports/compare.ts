/** @file What our own runner says of each file, and how a program's answer compares with it. */

import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { openRunner } from "../../src/exporters/runners/open.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import type { Runner } from "../../src/exporters/runners/runner.ts";
import type { Answer, Asked } from "./job.ts";

/** What kernels round by in full precision; llama.cpp keeps its cache in halves. */
const ROUNDING = { onnx: 1e-3, gguf: 0.02 };

export type Expected = {
  encoded: number[][];
  continued: number[][];
  /** Of each text, the stop token that ended it. */
  stopped: (number | undefined)[];
  /** By how much the first token of a place is likelier than another one. */
  gap(text: number, place: number, token: number): number;
  /** What a gap there may be at a tie: twice what the file's precision moves the place's logits by. */
  tie(text: number, place: number): number;
};

/** What our runner of the file says; `weights` is the folder that the file was made of. */
export async function expectedOf(
  { path, folder, texts, encode, max_new_tokens }: Asked,
  weights: string,
): Promise<Expected> {
  const tokenizer = loadTokenizer(folder);
  const runner: Runner = await openRunner(path);
  const encoded = [...texts, ...encode].map((text) => tokenizer.encode(text));
  const rows: Float32Array[][] = [];
  const moved: number[][] = [];
  const reference = await openReferenceRunner(weights);
  const continued: number[][] = [];
  for (const prompt of encoded.slice(0, texts.length)) {
    const [said, seen]: [number[], Float32Array[]] = [[], []];
    while (said.length < max_new_tokens && !tokenizer.stops.includes(said.at(-1)!)) {
      const logits = await runner.logits([...prompt, ...said]);
      const row = logits.slice(logits.length - logits.length / (prompt.length + said.length));
      seen.push(row);
      said.push(row.indexOf(row.reduce((a, b) => Math.max(a, b))));
    }
    continued.push(said);
    rows.push(seen);
    const exact = await reference.logits([...prompt, ...said].slice(0, -1));
    const width = exact.length / (prompt.length + said.length - 1);
    moved.push(
      seen.map((row, i) => {
        const at = (prompt.length - 1 + i) * width;
        return row.reduce((most, x, token) => Math.max(most, Math.abs(x - exact[at + token]!)), 0);
      }),
    );
  }
  await runner.close();
  await reference.close();
  const stopped = continued.map((said) => (tokenizer.stops.includes(said.at(-1)!) ? said.at(-1) : undefined));
  const gap = (text: number, place: number, token: number) => {
    const row = rows[text]![place]!;
    return row[continued[text]![place]!]! - row[token]!;
  };
  const rounding = path.endsWith(".gguf") ? ROUNDING.gguf : ROUNDING.onnx;
  const tie = (text: number, place: number) => Math.max(rounding, 2 * moved[text]![place]!);
  return { encoded, continued, stopped, gap, tie };
}

/** What a model that says one token says: the token up to the limit, or once where it stops. */
export function expectedSaying({ folder, texts, encode, max_new_tokens }: Asked, token: number): Expected {
  const tokenizer = loadTokenizer(folder);
  const { stops } = tokenizer;
  const stopped = stops.includes(token) ? token : undefined;
  return {
    encoded: [...texts, ...encode].map((text) => tokenizer.encode(text)),
    continued: texts.map(() => new Array(stopped === undefined ? max_new_tokens : 1).fill(token)),
    stopped: texts.map(() => stopped),
    gap: () => Number.POSITIVE_INFINITY, // nothing else is as likely
    tie: () => 0,
  };
}

/** What is wrong with an answer, or how many of its texts leave ours at a tie. */
export function compared(expected: Expected, answer: Answer, stops: boolean): { wrong: string } | { ties: number } {
  if ("error" in answer) return { wrong: answer.error };
  const { encoded, continued } = answer;
  const other = encoded ? expected.encoded.findIndex((ids, i) => ids.join() !== encoded[i]?.join()) : -1;
  if (other >= 0) return { wrong: `it encodes as ${encoded![other]} what is ${expected.encoded[other]}` };
  let ties = 0;
  for (const [i, ours] of expected.continued.entries()) {
    const theirs = continued[i] ?? [];
    // one that gives no token that ends a text, or ends none itself
    const ends = expected.stopped[i] !== undefined;
    const whole =
      ends && theirs.length === ours.length - 1
        ? [...theirs, ours.at(-1)!]
        : stops
          ? theirs
          : theirs.slice(0, ours.length);
    const place = ours.findIndex((token, j) => token !== whole[j]);
    if (place < 0 && whole.length === ours.length) continue;
    if (place < 0) return { wrong: `it goes on behind the stop token ${ours.at(-1)}: ${theirs}` };
    if (whole[place] === undefined) return { wrong: `it ends after ${place} of ${ours.length} tokens: ${theirs}` };
    const gap = expected.gap(i, place, whole[place]!);
    if (!(gap < expected.tie(i, place)))
      return {
        wrong: `it says ${whole[place]} for ${ours[place]} at token ${place}, which is likelier by ${gap.toFixed(3)}, and the precision moves logits there by ${(expected.tie(i, place) / 2).toFixed(3)}`,
      };
    ties++;
  }
  return { ties };
}
