/**
 * @file Python's values, as templates see them: None is null, an undefined name is undefined, str, bool and int are
 * JavaScript's own, a list is an array, a dict a Map, a function a Callable.
 */

/** A float; a number of JavaScript's that is not whole is one too. JSON's 1.0 is told from 1 by this alone. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A tuple. Made by `Tuple.of`. */
export class Tuple extends Array<unknown> {}

/** What a dict's items(), keys() and values() give: a list to loops alone. */
export class View extends Array<unknown> {}

/** What filters such as map and select give: it is gone through once. */
export class Generator extends View {}

export const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value) && !(value instanceof View);

/** What namespace() gives, and `loop`: names without the methods of a dict. */
export class Namespace {
  readonly names: Map<string, unknown>;
  constructor(names: Map<string, unknown>) {
    this.names = names;
  }
}

/** Text that the filter `safe` gives: + escapes what is added to it, as Jinja does even where nothing else is escaped. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Callable = (args: readonly unknown[], named: ReadonlyMap<string, unknown>) => unknown;

/** A value of JavaScript's as Python's JSON reader would give it. */
export function fromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => (item === undefined ? null : fromJson(item)));
  if (typeof value !== "object" || value === null || value instanceof Float) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return new Map(entries.map(([key, item]) => [key, fromJson(item)]));
}

const TYPES: readonly [name: string, is: (value: unknown) => boolean][] = [
  ["Undefined", (x) => x === undefined],
  ["NoneType", (x) => x === null],
  ["bool", (x) => typeof x === "boolean"],
  ["str", (x) => typeof x === "string" || x instanceof Markup],
  ["int", (x) => Number.isInteger(x) || typeof x === "bigint"],
  ["float", (x) => typeof x === "number" || x instanceof Float],
  ["tuple", (x) => x instanceof Tuple],
  ["list", isList],
  ["generator", (x) => x instanceof Generator],
  ["view of a dict", (x) => x instanceof View],
  ["dict", (x) => x instanceof Map],
  ["function", (x) => typeof x === "function"],
];

/** What Python calls the value's type. */
export const typeName = (value: unknown): string => TYPES.find(([, is]) => is(value))?.[0] ?? "object";

/** The text, where the value is one. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === "string" ? value : value instanceof Markup ? value.text : undefined;

/** The number, where the value is one; True is 1. */
export const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" || typeof value === "bigint"
    ? Number(value)
    : value instanceof Float
      ? value.value
      : value === true
        ? 1
        : value === false
          ? 0
          : undefined;

export const isFloat = (value: unknown): boolean => typeName(value) === "float";
export const float = (value: number): unknown => (Number.isInteger(value) ? new Float(value) : value);

/** The key under which a dict holds a value: 1.0, True and 1 are one key. */
export const keyOf = (value: unknown): unknown =>
  typeof value === "bigint" ? value : (textOf(value) ?? numberOf(value) ?? value);

export function truth(value: unknown): boolean {
  const length = textOf(value)?.length ?? numberOf(value);
  if (length !== undefined) return length !== 0; // NaN is true
  if (Array.isArray(value)) return value.length > 0 || value instanceof Generator;
  return value instanceof Map ? value.size > 0 : value !== undefined && value !== null;
}

export const equal = (a: unknown, b: unknown): boolean => same(bounded(a), bounded(b));

function same(a: unknown, b: unknown): boolean {
  const [x, y] = [keyOf(a), keyOf(b)];
  if (isList(x) && isList(y))
    return typeName(x) === typeName(y) && x.length === y.length && x.every((item, i) => same(item, y[i]));
  if (x instanceof Map && y instanceof Map)
    return x.size === y.size && [...x].every(([key, item]) => y.has(key) && same(item, y.get(key)));
  return x === y;
}

/** Items within items, and 64ths of their texts, of what is compared or written; a template can make more of little. */
const NESTED_LIMIT = 1 << 18;

/** The value, if what is in it is no more than can be gone through. */
export function bounded<T>(value: T): T {
  let left = NESTED_LIMIT;
  const count = (one: unknown) => {
    left -= 1 + (textOf(one)?.length ?? 0) / 64;
    if (left < 0) throw new Error(`it makes an array of ${NESTED_LIMIT} items, those within items counted`);
    if (Array.isArray(one) || one instanceof Map) for (const part of one.values()) count(part);
  };
  if (typeof value === "object" && value !== null) count(value);
  return value;
}

/** Less than 0 where a comes before b. */
export function compare(a: unknown, b: unknown): number {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) return x - y;
  const [s, t] = [textOf(a), textOf(b)];
  if (s !== undefined && t !== undefined) return compareTexts(s, t);
  if (isList(a) && isList(b) && typeName(a) === typeName(b)) return compareLists(a, b);
  throw new Error(`'<' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

/** By code points; where the first halves of two characters are the same, the second halves decide alike. */
function compareTexts(a: string, b: string): number {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return (a.codePointAt(i) ?? -1) - (b.codePointAt(i) ?? -1);
}

function compareLists(a: readonly unknown[], b: readonly unknown[]): number {
  const first = a.findIndex((item, i) => i >= b.length || !equal(item, b[i]));
  return first < 0 || first >= b.length ? a.length - b.length : compare(a[first], b[first]);
}

/** Python counts characters, not the halves of those beyond 16 bits. */
export const characters = (text: string): string[] => Array.from(text);

/** What a loop goes over. */
export function items(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (value instanceof Generator) return [...value.splice(0)];
  if (Array.isArray(value)) return value;
  if (value instanceof Map) return [...value.keys()];
  const text = textOf(value);
  if (text === undefined) throw new Error(`'${typeName(value)}' object is not iterable`);
  return characters(text);
}

export const isIterable = (value: unknown): boolean =>
  value === undefined || Array.isArray(value) || value instanceof Map || textOf(value) !== undefined;

export function length(value: unknown): number {
  if (!isIterable(value) || value instanceof Generator)
    throw new Error(`object of type '${typeName(value)}' has no len()`);
  return value instanceof Map ? value.size : items(value).length;
}
