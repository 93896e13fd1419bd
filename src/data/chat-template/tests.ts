/** @file Jinja's tests: what stands behind `is`, and what select and reject may ask. */

import { BINARY } from "./operators.ts";
import { isFloat, isIterable, numberOf, textOf, truth, typeName, View } from "./values.ts";

type Test = (value: unknown, ...args: readonly unknown[]) => boolean;

const operator =
  (name: string): Test =>
  (value, other) =>
    truth(BINARY[name]!(value, other));

const whole = (value: unknown): number => {
  const number = numberOf(value);
  if (number === undefined) throw new Error("odd, even and divisibleby ask of numbers");
  return number;
};

const isInteger = (value: unknown) => typeName(value) === "int";
const isText = (value: unknown) => textOf(value) !== undefined;
const same = (value: string | undefined, as: (text: string) => string, other: (text: string) => string) =>
  value !== undefined && value === as(value) && value !== other(value);
const lower = (text: string) => text.toLowerCase();
const upper = (text: string) => text.toUpperCase();

export const TESTS: Record<string, Test> = {
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  none: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  true: (value) => value === true,
  false: (value) => value === false,
  string: isText,
  number: (value) => numberOf(value) !== undefined,
  integer: isInteger,
  float: isFloat,
  mapping: (value) => value instanceof Map,
  iterable: isIterable,
  sequence: (value) => isIterable(value) && !(value instanceof View),
  callable: (value) => typeof value === "function",
  odd: (value) => Math.abs(whole(value) % 2) === 1,
  even: (value) => whole(value) % 2 === 0,
  divisibleby: (value, by) => whole(value) % whole(by) === 0,
  lower: (value) => same(textOf(value), lower, upper),
  upper: (value) => same(textOf(value), upper, lower),
  eq: operator("=="),
  equalto: operator("=="),
  "==": operator("=="),
  ne: operator("!="),
  "!=": operator("!="),
  lt: operator("<"),
  lessthan: operator("<"),
  "<": operator("<"),
  gt: operator(">"),
  greaterthan: operator(">"),
  ">": operator(">"),
  le: operator("<="),
  "<=": operator("<="),
  ge: operator(">="),
  ">=": operator(">="),
  in: operator("in"),
};

/** Whether a value passes a test by name. */
export function passes(name: string, value: unknown, args: readonly unknown[] = []): boolean {
  if (!Object.hasOwn(TESTS, name)) throw new Error(`it has a test that is not known: ${name}`);
  return TESTS[name]!(value, ...args);
}
