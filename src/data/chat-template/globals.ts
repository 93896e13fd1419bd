/** @file The functions that every template may call. */

import { str } from "./text.ts";
import { GENERATION } from "./tree.ts";
import { type Callable, items, keyOf, Namespace, numberOf } from "./values.ts";

/** The most items of an array. */
export const ARRAY_LIMIT = 1 << 16;

/** What templates know without being told. */
export const GLOBALS: Record<string, unknown> = {
  dict: ((args, named) => new Map([...pairs(args[0]), ...named])) satisfies Callable,
  namespace: ((args, named) =>
    new Namespace(new Map([...pairs(args[0]), ...named]) as Map<string, unknown>)) satisfies Callable,
  [GENERATION]: ((_, named) => (named.get("caller") as Callable)([], new Map())) satisfies Callable,
  raise_exception: (([message]) => {
    throw new Error(str(message));
  }) satisfies Callable,
  range: ((args) => {
    const [first, stop, step = 1] = args.map((arg) => numberOf(arg) ?? Number.NaN);
    const [from, to] = stop === undefined ? [0, first!] : [first!, stop];
    const length = Math.max(0, Math.ceil((to - from) / step));
    if (!(length <= ARRAY_LIMIT)) throw new Error(`range() of ${length} numbers; at most ${ARRAY_LIMIT} are made`);
    return Array.from({ length }, (_, i) => from + i * step);
  }) satisfies Callable,
  strftime_now: (([format]) =>
    str(format).replace(/%(-?[A-Za-z%])/g, (whole, directive: string) => DAY[directive] ?? whole)) satisfies Callable,
};

/** The entries of a dict, or of a list of pairs. */
const pairs = (source: unknown): [unknown, unknown][] =>
  source instanceof Map
    ? [...source]
    : items(source).map((pair) => {
        const [key, value] = items(pair);
        return [keyOf(key), value];
      });

/** The day that Llama 3's template falls back to where it has no clock. */
const DAY: Record<string, string> = {
  a: "Fri",
  A: "Friday",
  b: "Jul",
  B: "July",
  d: "26",
  "-d": "26",
  e: "26",
  m: "07",
  "-m": "7",
  y: "24",
  Y: "2024",
  H: "12",
  I: "12",
  M: "00",
  S: "00",
  p: "PM",
  j: "208",
  F: "2024-07-26",
  T: "12:00:00",
  "%": "%",
};
