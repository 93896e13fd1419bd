/** @file Jinja's filters, and tojson as transformers defines it. */

import { argumentsOf, capitalize, joined, lines, repeated, replace, strip } from "./methods.ts";
import { attributeOf, BINARY, escaped, itemOf } from "./operators.ts";
import { passes } from "./tests.ts";
import { str, toJson } from "./text.ts";
import {
  bounded,
  characters,
  compare,
  Float,
  float,
  Generator,
  isFloat,
  items,
  keyOf,
  length,
  Markup,
  numberOf,
  Tuple,
  textOf,
  truth,
  typeName,
} from "./values.ts";

type Named = ReadonlyMap<string, unknown>;
type Filter = (value: unknown, args: readonly unknown[], named: Named) => unknown;

const NONE: Named = new Map();

/** What a filter makes of a value. */
export function filtered(name: string, value: unknown, args: readonly unknown[] = [], named: Named = NONE): unknown {
  if (!Object.hasOwn(FILTERS, name)) throw new Error(`it has a filter that is not known: ${name}`);
  return FILTERS[name]!(value, args, named);
}

/** An item's attribute by name, through dots, or its place. */
function reach(item: unknown, attribute: unknown): unknown {
  const parts = typeof attribute === "number" ? [attribute] : str(attribute).split(".");
  return parts.reduce<unknown>((value, part) => {
    if (value === undefined) throw new Error(`an undefined value has no attribute ${str(attribute)}`);
    return itemOf(value, typeof part === "string" && /^\d+$/.test(part) ? Number(part) : part);
  }, item);
}

/** How values are compared where case does not matter unless it is said to. */
const folded = (value: unknown, caseSensitive: unknown) =>
  truth(caseSensitive) ? value : (textOf(value)?.toLowerCase() ?? value);

/** Text that stands for a number; `otherwise` where it stands for none. */
function toInt(value: unknown, args: readonly unknown[], named: Named): unknown {
  const { default: otherwise = 0, base = 10 } = argumentsOf(args, named, "default", "base");
  const text = textOf(value);
  if (text === undefined) {
    const number = numberOf(value);
    return number === undefined || !Number.isFinite(number) ? otherwise : Math.trunc(number);
  }
  const plain = strip(text, null).replace(/(?<=\d)_(?=\d)/g, "");
  if (base !== 10) throw new Error("the filter int reads numbers to the base of 10 alone");
  if (/^[+-]?\d+$/.test(plain)) return Number(plain);
  const read = toFloat(text, [], NONE, Number.NaN);
  return Number.isFinite(numberOf(read)) ? Math.trunc(numberOf(read)!) : otherwise;
}

function toFloat(value: unknown, args: readonly unknown[], named: Named, none: unknown = new Float(0)): unknown {
  const { default: otherwise = none } = argumentsOf(args, named, "default");
  const text = textOf(value);
  if (text === undefined) return numberOf(value) === undefined ? otherwise : float(numberOf(value)!);
  const plain = strip(text, null);
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? float(Number(plain)) : otherwise;
}

function json(value: unknown, args: readonly unknown[], named: Named): string {
  const { ensure_ascii, indent, separators, sort_keys } = argumentsOf(
    args,
    named,
    "ensure_ascii",
    "indent",
    "separators",
    "sort_keys",
  );
  const level = typeof indent === "number" ? repeated(" ", indent) : textOf(indent);
  const given = separators === undefined || separators === null ? undefined : items(separators).map(str);
  return toJson(bounded(value), {
    ensure_ascii: truth(ensure_ascii),
    indent: level,
    separators: given ? [given[0]!, given[1]!] : [level === undefined ? ", " : ",", ": "],
    sort: truth(sort_keys) ? (keys) => keys.sort(compare) : (keys) => keys,
  });
}

/** Jinja's own way: the first line and empty ones are left alone. */
function indent(value: unknown, args: readonly unknown[], named: Named): string {
  const { width = 4, first, blank } = argumentsOf(args, named, "width", "first", "blank");
  const by = textOf(width) ?? repeated(" ", numberOf(width)!);
  const all = lines(`${str(value)}\n`);
  const rest = all.slice(1).map((line) => (line !== "" || truth(blank) ? by + line : line));
  return (truth(first) ? by : "") + [all[0]!, ...rest].join("\n");
}

/** Jinja asks whether there is anything before it goes over it: none gives none. */
const generated = (value: unknown, made: (all: readonly unknown[]) => readonly unknown[]) =>
  Generator.from(truth(value) ? made(items(value)) : []);

/** Those items of which a test, or their truth, says `wanted`; of an attribute of theirs, where `ofAttribute`. */
function chosen(wanted: boolean, ofAttribute: boolean): Filter {
  return (value, args) => {
    const [attribute, test, ...rest] = ofAttribute ? args : [undefined, ...args];
    return generated(value, (all) =>
      all.filter((item) => {
        const asked = ofAttribute ? reach(item, attribute) : item;
        return (test === undefined ? truth(asked) : passes(str(test), asked, rest)) === wanted;
      }),
    );
  };
}

function map(value: unknown, args: readonly unknown[], named: Named): unknown {
  if (args.length > 0)
    return generated(value, (all) => all.map((item) => filtered(str(args[0]), item, args.slice(1), named)));
  const { attribute, default: otherwise } = argumentsOf(args, named, "attribute", "default");
  const given = (found: unknown) => (found === undefined ? otherwise : found);
  return generated(value, (all) => all.map((item) => given(reach(item, attribute))));
}

function sort(value: unknown, args: readonly unknown[], named: Named): unknown[] {
  const { reverse, case_sensitive, attribute } = argumentsOf(args, named, "reverse", "case_sensitive", "attribute");
  const key = (item: unknown) =>
    folded(attribute === undefined || attribute === null ? item : reach(item, attribute), case_sensitive);
  const sign = truth(reverse) ? -1 : 1;
  return [...items(value)].sort((a, b) => sign * compare(key(a), key(b)));
}

function dictsort(value: unknown, args: readonly unknown[], named: Named): unknown[] {
  const { case_sensitive, by = "key", reverse } = argumentsOf(args, named, "case_sensitive", "by", "reverse");
  const place = str(by) === "value" ? 1 : 0;
  const key = (entry: unknown) => folded((entry as readonly unknown[])[place], case_sensitive);
  const sign = truth(reverse) ? -1 : 1;
  return entriesOf(value).sort((a, b) => sign * compare(key(a), key(b)));
}

function entriesOf(value: unknown): Tuple[] {
  if (value === undefined) return [];
  if (!(value instanceof Map)) throw new Error(`a '${typeName(value)}' has no items`);
  return [...value].map((entry) => Tuple.from(entry));
}

function unique(value: unknown, args: readonly unknown[], named: Named): unknown {
  const { case_sensitive, attribute } = argumentsOf(args, named, "case_sensitive", "attribute");
  const key = (item: unknown) => folded(attribute === undefined ? item : reach(item, attribute), case_sensitive);
  const seen = new Set<unknown>();
  return Generator.from(
    items(value).filter((item) => {
      const found = hashable(key(item));
      return !seen.has(found) && seen.add(found);
    }),
  );
}

/** What a set tells a value by. */
function hashable(value: unknown): unknown {
  if (Array.isArray(value) || value instanceof Map) throw new Error(`unhashable type: '${typeName(value)}'`);
  return keyOf(value);
}

/** The least item, or the greatest. */
function extreme(sign: 1 | -1): Filter {
  return (value, args, named) => {
    const { case_sensitive, attribute } = argumentsOf(args, named, "case_sensitive", "attribute");
    const key = (item: unknown) => folded(attribute === undefined ? item : reach(item, attribute), case_sensitive);
    const all = items(value);
    return all.length === 0 ? undefined : all.reduce((a, b) => (sign * compare(key(b), key(a)) < 0 ? b : a));
  };
}

function join(value: unknown, args: readonly unknown[], named: Named): string {
  const { d = "", attribute } = argumentsOf(args, named, "d", "attribute");
  const parts = items(value).map((item) => str(attribute === undefined ? item : reach(item, attribute)));
  return joined(parts, str(d));
}

function sum(value: unknown, args: readonly unknown[], named: Named): unknown {
  const { attribute, start = 0 } = argumentsOf(args, named, "attribute", "start");
  const parts = items(value).map((item) => (attribute === undefined ? item : reach(item, attribute)));
  return parts.reduce((a, b) => BINARY["+"]!(a, b), start);
}

const byDefault: Filter = (value, args, named) => {
  const { default_value = "", boolean } = argumentsOf(args, named, "default_value", "boolean");
  return value === undefined || (truth(boolean) && !truth(value)) ? default_value : value;
};

/** Each word large, the rest small; a word begins behind white space, a hyphen or an opening bracket. */
const title = (value: unknown) =>
  str(value)
    .split(/([-\s({[<]+)/)
    .map((part) => capitalize(part))
    .join("");

export const FILTERS: Record<string, Filter> = {
  abs: (value) => (isFloat(value) ? float(Math.abs(numberOf(value)!)) : Math.abs(numberOf(value)!)),
  attr: (value, [name]) => attributeOf(value, str(name)),
  capitalize: (value) => capitalize(str(value)),
  count: length,
  d: byDefault,
  default: byDefault,
  dictsort,
  e: (value) => new Markup(escaped(value)),
  escape: (value) => new Markup(escaped(value)),
  first: (value) => items(value)[0],
  float: (value, args, named) => toFloat(value, args, named),
  indent,
  int: toInt,
  items: (value) => Generator.from(entriesOf(value)),
  join,
  last: (value) => items(value).at(-1),
  length,
  list: (value) => [...items(value)],
  lower: (value) => str(value).toLowerCase(),
  map,
  max: extreme(-1),
  min: extreme(1),
  reject: chosen(false, false),
  rejectattr: chosen(false, true),
  replace(value, args, named) {
    const { old, new: to, count } = argumentsOf(args, named, "old", "new", "count");
    return replace(str(value), str(old), str(to), count);
  },
  reverse: (value) =>
    textOf(value) === undefined
      ? Generator.from([...items(value)].reverse())
      : characters(str(value)).reverse().join(""),
  safe: (value) => new Markup(str(value)),
  select: chosen(true, false),
  selectattr: chosen(true, true),
  sort,
  string: (value) => (value instanceof Markup ? value : str(value)),
  sum,
  title,
  tojson: json,
  trim(value, args, named) {
    const { chars } = argumentsOf(args, named, "chars");
    return strip(str(value), chars);
  },
  unique,
  upper: (value) => str(value).toUpperCase(),
  wordcount: (value) => str(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0,
};
