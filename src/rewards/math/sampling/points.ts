/** @file Points at which expressions are compared: near and far, of both signs, and on both sides of every kink. */

import { deriveSeed, type Random, seededRandom } from "../../../core/random.ts";
import type { Budget } from "../limits.ts";
import { children, type Node, some, symbols } from "../tree.ts";
import type { Point } from "./evaluate.ts";
import { constantsOf, type Kink, kinksOf, zerosAlong } from "./kinks.ts";

const FIRST = 8;

/** Functions that have values at whole numbers only. */
const DISCRETE = new Set(["factorial", "binom", "mod", "gcd", "lcm", "double factorial", "sum", "prod"]);
const STEPS = new Set(["floor", "ceil"]);
/** Functions that undo a periodic one on one period only. */
const INVERSES = new Set(["arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc"]);

/** By convention, what is counted. */
const COUNTED = /^(?:[i-np-q]|[K-N])(?:_|$)/;

export type Sample = {
  /** The first: positive, then of either sign; doubles must be good enough at all of them. */
  first: Point[];
  /** Those that a law with several cases asks for; each is worth something where doubles are good enough. */
  further: Point[];
  /** What passes zero somewhere, so that both sides must be seen. */
  kinks: readonly Node[];
  /** Whether an expression jumps, or has several laws. */
  piecewise: boolean;
  /** Whether an expression counts: factorials, binomials and the like. */
  discrete: boolean;
};

/** Points for the symbols of some trees. */
export function samplePoints(nodes: readonly Node[], budget: Budget): Sample {
  const names = new Set<string>();
  for (const node of nodes) symbols(node, names);
  const at = (symbols: ReadonlyMap<string, number>): Point => ({ symbols, budget, complex: false, wide: false });
  if (names.size === 0) return { first: [at(new Map())], further: [], kinks: [], piecewise: false, discrete: false };
  const counted = countedNames(nodes);
  const first = Array.from({ length: FIRST }, (_, i) => {
    const values = new Map<string, number>();
    for (const name of names) {
      const random = seededRandom(deriveSeed(name, i));
      const value = counted.has(name) ? 2 + random.below(9) : dyadic(0.3 + 2.2 * random.uniform());
      values.set(name, i < FIRST / 2 || counted.has(name) || random.below(2) ? value : -value);
    }
    return values;
  });
  const kinks = kinksOf(nodes);
  const has = (names: ReadonlySet<string>) =>
    nodes.some((node) => some(node, (child) => child.kind === "call" && names.has(child.name)));
  const steps = has(STEPS) || has(DISCRETE);
  const further: ReadonlyMap<string, number>[] = [];
  const passing: Node[] = [];
  if (kinks.length > 0 || steps || has(INVERSES)) {
    const constants = constantsOf(nodes, at(new Map()));
    further.push(...everySize(names, counted));
    if (steps) further.push(...wholeNumbers(names));
    further.push(...nearConstants(first[0]!, names, counted, constants, steps));
    for (const kink of kinks) {
      const beside = besideZeros(kink, first, counted, constants, at);
      further.push(...beside);
      if (kink.sided && beside.length > 0) passing.push(kink.of);
    }
  }
  const piecewise = kinks.some(({ sided }) => sided) || has(STEPS);
  return { first: first.map(at), further: further.map(at), kinks: passing, piecewise, discrete: has(DISCRETE) };
}

// Dyadic numbers are exact doubles.
const dyadic = (x: number) => Math.round(x * 2 ** 10) / 2 ** 10;

/** The symbols that stand for whole numbers. */
function countedNames(nodes: readonly Node[]): Set<string> {
  const found = new Set<string>();
  const visit = (node: Node): void => {
    if (node.kind === "call" && DISCRETE.has(node.name))
      for (const name of node.name === "sum" || node.name === "prod" ? boundNames(node) : symbols(node))
        found.add(name);
    if (node.kind === "call" && STEPS.has(node.name))
      for (const name of symbols(node)) if (COUNTED.test(name)) found.add(name);
    if (node.kind === "operation" && node.op === "^" && node.left.kind === "number" && node.left.value.n < 0n)
      for (const name of symbols(node.right)) found.add(name);
    children(node).forEach(visit);
  };
  nodes.forEach(visit);
  return found;
}

const boundNames = ({ args }: Node & { kind: "call" }): Set<string> => {
  const found = new Set<string>();
  for (const bound of args.slice(0, -1)) symbols(bound, found);
  return found;
};

/** Two points of each size, from a twentieth to ten thousand. */
function everySize(names: ReadonlySet<string>, counted: ReadonlySet<string>): Map<string, number>[] {
  return [0.05, 7, 30, 300, 10_000].flatMap((size, i) =>
    [0, 1, 2, 3].map((k) => {
      const values = new Map<string, number>();
      for (const name of names) {
        const random = seededRandom(deriveSeed(name, 100 + 4 * i + k));
        const value = size * (0.3 + 1.4 * random.uniform());
        values.set(name, signed(counted.has(name) ? 1 + Math.round(value) : dyadic(value), random));
      }
      return values;
    }),
  );
}

const signed = (value: number, random: Random) => (random.below(2) ? value : -value);

/** Each small whole number, negative ones too: steps differ at single ones. */
function wholeNumbers(names: ReadonlySet<string>): Map<string, number>[] {
  return [...Array.from({ length: 24 }, (_, i) => i + 1), -1, -2, -3, -4, -5, -6, -7, 0].map((k, i) => {
    const values = new Map<string, number>();
    for (const [j, name] of [...names].entries())
      values.set(name, j === i % names.size ? k : 1 + seededRandom(deriveSeed(name, 200 + i)).below(12));
    return values;
  });
}

/** One symbol at, below and above each constant of the formulas, and at multiples of it. */
function nearConstants(
  base: ReadonlyMap<string, number>,
  names: ReadonlySet<string>,
  counted: ReadonlySet<string>,
  constants: readonly number[],
  steps: boolean,
): Map<string, number>[] {
  const points: Map<string, number>[] = [];
  for (const name of [...names].slice(0, 3))
    for (const c of constants) {
      const near = counted.has(name) || steps ? [c - 1, c, c + 1, 2 * c, 3 * c - 1, 7 * c + 3, -c, c * c] : [];
      if (!counted.has(name)) near.push(1.02 * c + 0.01, 0.98 * c - 0.01, -1.02 * c - 0.01, 0.01 - 0.98 * c);
      for (const x of near) points.push(new Map(base).set(name, counted.has(name) ? Math.round(x) : dyadic(x)));
    }
  return points.slice(0, 160);
}

/** One symbol on both sides of each zero of a kink, and between them. */
function besideZeros(
  { of: kink }: Kink,
  bases: readonly ReadonlyMap<string, number>[],
  counted: ReadonlySet<string>,
  constants: readonly number[],
  at: (values: ReadonlyMap<string, number>) => Point,
): Map<string, number>[] {
  const points: Map<string, number>[] = [];
  const names = [...symbols(kink)].slice(0, 3);
  for (const base of names.length === 1 ? [bases[0]!] : [bases[0]!, bases[5]!])
    for (const name of names) {
      const zeros = zerosAlong(kink, name, at(base), constants.slice(0, 6)).slice(0, 12);
      const add = (x: number) => points.push(new Map(base).set(name, counted.has(name) ? Math.round(x) : dyadic(x)));
      for (const [i, zero] of zeros.entries()) {
        const gap = (next: number | undefined) =>
          Math.min(0.4 * Math.abs((next ?? zero + 3) - zero), 1 + Math.abs(zero));
        add(zero - gap(zeros[i - 1]));
        add(zero + gap(zeros[i + 1]));
        add(zero + 2 * gap(zeros[i + 1]));
      }
    }
  return points;
}
