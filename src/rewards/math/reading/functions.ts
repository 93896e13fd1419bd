/** @file Functions by name, and how many arguments each has. */

import { call, type Node } from "../tree.ts";
import { unreadable } from "./tokens.ts";
import { BRACKET_FUNCTIONS, PREFIX_FUNCTIONS } from "./words.ts";

const OTHER_NAMES: Readonly<Record<string, string>> = {
  asin: "arcsin",
  acos: "arccos",
  atan: "arctan",
  arsinh: "arcsinh",
  arcosh: "arccosh",
  artanh: "arctanh",
  tg: "tan",
  ctg: "cot",
  lg: "log",
  ceiling: "ceil",
  binomial: "binom",
  comb: "binom",
  sign: "sgn",
};

/** The name under which a function is known. */
export const standardName = (name: string): string => OTHER_NAMES[name] ?? name;

/** Functions of several arguments; the other known ones have one. */
const SEVERAL: Readonly<Record<string, [least: number, most: number]>> = {
  min: [1, 64],
  max: [1, 64],
  gcd: [1, 64],
  lcm: [1, 64],
  sup: [1, 64],
  inf: [1, 64],
  lim: [1, 8],
  deg: [1, 8],
  dim: [1, 8],
  ker: [1, 8],
  det: [1, 8],
  arg: [1, 8],
  binom: [2, 2],
  root: [2, 2],
};

/** A function of its arguments; one without any, or with too many, is no value. */
export function functionOf(name: string, args: readonly Node[]): Node {
  const known = PREFIX_FUNCTIONS.has(name) || BRACKET_FUNCTIONS.has(name);
  const [least, most] = SEVERAL[name] ?? (name.endsWith(" base") ? [2, 64] : known ? [1, 1] : [1, 64]);
  if (args.length < least || args.length > most) return unreadable(`${name} has not ${args.length} arguments`);
  // The largest of some and of the largest of others.
  const isNested = (arg: Node) => (name === "max" || name === "min") && arg.kind === "call" && arg.name === name;
  const [first, ...others] = args.flatMap((arg) => (isNested(arg) ? (arg as Node & { kind: "call" }).args : [arg]));
  // Of one set: \max S.
  if (first && others.length === 0 && (name === "min" || name === "max")) return call(`${name} of`, first);
  return first ? call(name, first, ...others) : unreadable(`${name} has no arguments`);
}
