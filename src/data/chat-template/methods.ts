/** @file Methods of Python's texts, lists and dicts. Those that would change a value are none: the sandbox forbids them. */

import { str } from "./text.ts";
import {
  type Callable,
  characters,
  equal,
  isList,
  items,
  keyOf,
  numberOf,
  Tuple,
  textOf,
  typeName,
  View,
} from "./values.ts";

type Method<Value> = (value: Value, args: readonly unknown[], named: ReadonlyMap<string, unknown>) => unknown;

/** A method of a value, bound to it; undefined where it has none of that name. */
export function method(value: unknown, name: string): Callable | undefined {
  const text = textOf(value);
  if (text !== undefined) return bound(TEXT, text, name);
  if (value instanceof Map) return bound(DICT, value as Map<unknown, unknown>, name);
  return isList(value) ? bound(LIST, value, name) : undefined;
}

function bound<Value>(methods: Record<string, Method<Value>>, value: Value, name: string): Callable | undefined {
  const found = Object.hasOwn(methods, name) ? methods[name]! : undefined;
  return found && ((args, named) => found(value, args, named));
}

/** Arguments under their names; those that are not given are missing. */
export function argumentsOf(
  args: readonly unknown[],
  named: ReadonlyMap<string, unknown>,
  ...names: readonly string[]
): Record<string, unknown> {
  if (args.length > names.length) throw new Error(`${args.length} arguments are given where ${names.length} are taken`);
  const other = [...named.keys()].find((name) => !names.includes(name));
  if (other !== undefined) throw new Error(`an argument is called ${other}, and none of that name is taken`);
  return { ...Object.fromEntries(args.map((value, i) => [names[i]!, value])), ...Object.fromEntries(named) };
}

const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const [LEADING, TRAILING] = [new RegExp(`^[${SPACE}]+`), new RegExp(`(?<![${SPACE}])[${SPACE}]+$`)];
const LINES = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;

/** Without white space, or the given characters, at one end or both. */
export function strip(text: string, chars: unknown, ends: "left" | "right" | "both" = "both"): string {
  if (chars === undefined || chars === null) {
    const rest = ends === "right" ? text : text.replace(LEADING, "");
    return ends === "left" ? rest : rest.replace(TRAILING, "");
  }
  const [all, taken] = [characters(text), new Set(characters(textIn(chars, "strip")))];
  let [from, to] = [0, all.length];
  if (ends !== "right") while (from < to && taken.has(all[from]!)) from++;
  if (ends !== "left") while (to > from && taken.has(all[to - 1]!)) to--;
  return all.slice(from, to).join("");
}

function textIn(value: unknown, name: string): string {
  const text = textOf(value);
  if (text === undefined) throw new Error(`${name}() takes a text, not '${typeName(value)}'`);
  return text;
}

/** The longest text that is made. */
export const TEXT_LIMIT = 1 << 22;

function short(length: number): void {
  if (length > TEXT_LIMIT) throw new Error(`it makes a text of ${length} characters`);
}

export function repeated(text: string, times: number): string {
  short(text.length * times);
  return text.repeat(Math.max(0, times));
}

export function joined(parts: readonly string[], by: string): string {
  short(parts.reduce((sum, part) => sum + part.length + by.length, 0));
  return parts.join(by);
}

/** The lines of a text without what ends them. */
export function lines(text: string): string[] {
  const all = text.split(LINES);
  return all.at(-1) === "" ? all.slice(0, -1) : all;
}

export function replace(text: string, from: string, to: string, count: unknown): string {
  const most = numberOf(count) ?? -1;
  const parts = from === "" ? ["", ...characters(text), ""] : text.split(from);
  if (most < 0 || parts.length - 1 <= most) return joined(parts, to);
  const rest = parts.slice(most).join(from);
  return joined([...parts.slice(0, most), rest], to);
}

function split(text: string, sep: unknown, maxsplit: unknown, fromRight = false): string[] {
  const most = numberOf(maxsplit) ?? -1;
  if (sep === undefined || sep === null) {
    const words = strip(text, null)
      .split(new RegExp(`[${SPACE}]+`))
      .filter((word) => word !== "");
    if (most < 0 || words.length - 1 <= most) return words;
    throw new Error("split() at white space takes no maxsplit here");
  }
  const by = textIn(sep, "split");
  if (by === "") throw new Error("empty separator");
  const parts = text.split(by);
  if (most < 0 || parts.length - 1 <= most) return parts;
  const whole = parts.length - most;
  return fromRight
    ? [parts.slice(0, whole).join(by), ...parts.slice(whole)]
    : [...parts.slice(0, most), parts.slice(most).join(by)];
}

/** The text before, at and behind a separator. */
function partition(text: string, sep: unknown, last: boolean): Tuple {
  const by = textIn(sep, "partition");
  const at = last ? text.lastIndexOf(by) : text.indexOf(by);
  if (at < 0) return last ? Tuple.of("", "", text) : Tuple.of(text, "", "");
  return Tuple.of(text.slice(0, at), by, text.slice(at + by.length));
}

const anyOf = (prefixes: unknown, is: (prefix: string) => boolean) =>
  (Array.isArray(prefixes) ? prefixes : [prefixes]).some((prefix) => is(textIn(prefix, "startswith")));

/** Where a text stands in another, in characters. */
const place = (text: string, at: number) => (at < 0 ? -1 : characters(text.slice(0, at)).length);

/** {}, {0} and {name}; what else a replacement field may hold is refused. */
function format(text: string, args: readonly unknown[], named: ReadonlyMap<string, unknown>): string {
  let next = 0;
  return text.replace(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (whole, field: string | undefined) => {
    if (whole === "{{" || whole === "}}") return whole[0]!;
    if (field === undefined || !/^\w*$/.test(field)) throw new Error(`format() knows no field "${whole}"`);
    const index = field === "" ? next++ : Number(field);
    if (Number.isInteger(index) ? index >= args.length : !named.has(field))
      throw new Error(`format() has no value for "${whole}"`);
    return str(Number.isInteger(index) ? args[index] : named.get(field));
  });
}

/** The first letter of each word large, the others small; a word is a run of letters. */
const title = (text: string) =>
  text.replace(
    /\p{L}+/gu,
    (word) => characters(word)[0]!.toUpperCase() + characters(word).slice(1).join("").toLowerCase(),
  );

export const capitalize = (text: string): string => {
  const [first = "", ...rest] = characters(text);
  return first.toUpperCase() + rest.join("").toLowerCase();
};

const every = (text: string, pattern: RegExp) => text !== "" && characters(text).every((c) => pattern.test(c));

const TEXT: Record<string, Method<string>> = {
  strip: (text, [chars]) => strip(text, chars),
  lstrip: (text, [chars]) => strip(text, chars, "left"),
  rstrip: (text, [chars]) => strip(text, chars, "right"),
  split(text, args, named) {
    const { sep, maxsplit } = argumentsOf(args, named, "sep", "maxsplit");
    return split(text, sep, maxsplit);
  },
  rsplit(text, args, named) {
    const { sep, maxsplit } = argumentsOf(args, named, "sep", "maxsplit");
    return split(text, sep, maxsplit, true);
  },
  splitlines: (text) => lines(text),
  partition: (text, [sep]) => partition(text, sep, false),
  rpartition: (text, [sep]) => partition(text, sep, true),
  startswith: (text, [prefix]) => anyOf(prefix, (one) => text.startsWith(one)),
  endswith: (text, [suffix]) => anyOf(suffix, (one) => text.endsWith(one)),
  removeprefix: (text, [prefix]) =>
    text.startsWith(textIn(prefix, "removeprefix")) ? text.slice(textIn(prefix, "removeprefix").length) : text,
  removesuffix(text, [given]) {
    const suffix = textIn(given, "removesuffix");
    return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
  replace(text, args, named) {
    const { old, new: to, count } = argumentsOf(args, named, "old", "new", "count");
    return replace(text, textIn(old, "replace"), textIn(to, "replace"), count);
  },
  join: (text, [parts]) =>
    joined(
      items(parts).map((part) => textIn(part, "join")),
      text,
    ),
  find: (text, [what]) => place(text, text.indexOf(textIn(what, "find"))),
  rfind: (text, [what]) => place(text, text.lastIndexOf(textIn(what, "rfind"))),
  count: (text, [what]) => replaceCount(text, textIn(what, "count")),
  format,
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  title,
  capitalize,
  isdigit: (text) => every(text, /\p{Nd}/u),
  isalpha: (text) => every(text, /\p{L}/u),
  isalnum: (text) => every(text, /[\p{L}\p{N}]/u),
  isspace: (text) => every(text, new RegExp(`[${SPACE}]`)),
  isupper: (text) => text === text.toUpperCase() && text !== text.toLowerCase(),
  islower: (text) => text === text.toLowerCase() && text !== text.toUpperCase(),
};

const replaceCount = (text: string, what: string) =>
  what === "" ? characters(text).length + 1 : text.split(what).length - 1;

const DICT: Record<string, Method<ReadonlyMap<unknown, unknown>>> = {
  get: (dict, [key, otherwise = null]) => (dict.has(keyOf(key)) ? dict.get(keyOf(key)) : otherwise),
  items: (dict) => View.from([...dict].map((entry) => Tuple.from(entry))),
  keys: (dict) => View.from(dict.keys()),
  values: (dict) => View.from(dict.values()),
  copy: (dict) => new Map(dict),
  ...forbidden("clear", "pop", "popitem", "setdefault", "update"),
};

const LIST: Record<string, Method<readonly unknown[]>> = {
  index(list, [what]) {
    const at = list.findIndex((item) => equal(item, what));
    if (at < 0) throw new Error("index() finds no such item in a list");
    return at;
  },
  count: (list, [what]) => list.filter((item) => equal(item, what)).length,
  copy: (list) => [...list],
  ...forbidden("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"),
};

function forbidden(...names: readonly string[]): Record<string, Method<unknown>> {
  const refuse = (name: string) => () => {
    throw new Error(`${name}() would change a value, which no template may`);
  };
  return Object.fromEntries(names.map((name) => [name, refuse(name)]));
}
